"""Find the hooks of a model that direct SQL would skip.

All hooks documented by Django and django-simple-history must run. So these functions return what a model defines beyond
the defaults, and compiled SQL is used only if there is nothing.
"""

import inspect
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models, router
from django.db.models import signals
from django.db.models.deletion import get_candidate_relations_to_delete
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from simple_history.models import HistoricalChanges, HistoricalRecords
from simple_history.signals import post_create_historical_record, pre_create_historical_record

READ_METHODS = ("__init__", "__getattribute__", "__setattr__", "from_db")
WRITE_METHODS = ("save", "save_base", "delete")
WRITE_OPTIONS = (
    "base_manager_name",
    "order_with_respect_to",
    "parents",
    "private_fields",
    "proxy",
    "select_on_save",
)
READ_SIGNALS = {"pre_init": signals.pre_init, "post_init": signals.post_init}
WRITE_SIGNALS = {
    "pre_save": signals.pre_save,
    "post_save": signals.post_save,
    "pre_delete": signals.pre_delete,
    "post_delete": signals.post_delete,
}
HISTORY_SIGNALS = {
    "pre_create_historical_record": pre_create_historical_record,
    "post_create_historical_record": post_create_historical_record,
}
SIGNALS = [*READ_SIGNALS.values(), *WRITE_SIGNALS.values(), *HISTORY_SIGNALS.values()]
# The default implementations, which return the value unchanged.
PRE_SAVES = {models.Field.pre_save, models.DateField.pre_save, models.DateTimeField.pre_save, models.TimeField.pre_save}
HISTORY_FIELDS = {"history_id", "history_date", "history_change_reason", "history_type", "history_user"}
DEFAULT_RECORDS = HistoricalRecords()
RECORDS_METHODS = (
    "create_historical_record",
    "create_historical_record_m2ms",
    "get_change_reason_for_object",
    "get_history_user",
    "post_delete",
    "post_save",
    "pre_delete",
)
RECORDS_OPTIONS = (
    "user_id_field",
    "user_getter",
    "user_setter",
    "get_user",
    "cascade_delete_history",
    "m2m_fields",
    "related_name",
    "use_base_model_db",
)


def read_hooks(model: Any) -> list[str]:
    """Return the names of the hooks that run when the ORM loads a row of `model`."""
    found = overridden(model, models.Model, READ_METHODS) + listeners(model, READ_SIGNALS)
    found += [
        field.attname
        for field in model._meta.concrete_fields
        if type(inspect.getattr_static(model, field.attname)) not in (DeferredAttribute, ForeignKeyDeferredAttribute)
    ]
    return found + (["DATABASE_ROUTERS"] if router.routers else [])


def write_hooks(model: Any) -> list[str]:
    """Return the names of the hooks and options that matter when the ORM writes a row of `model`."""
    options = model._meta
    found = read_hooks(model) + overridden(model, models.Model, WRITE_METHODS) + listeners(model, WRITE_SIGNALS)
    found += [f"Meta.{name}" for name in WRITE_OPTIONS if getattr(options, name)]
    found += [field.name for field in options.concrete_fields if _is_special(field)]
    if not isinstance(options.pk, models.AutoField):
        found.append(options.pk.name)
    return found + _history_hooks(model)


def create_hooks(model: Any) -> list[str]:
    """Return the names of the methods of the manager that create a row of `model`, if they are overridden."""
    manager: Any = model._default_manager
    found = overridden(type(manager), models.Manager, ["create"])
    return found + overridden(type(manager.get_queryset()), models.QuerySet, ["create"])


def delete_relations(model: Any) -> list[Any]:
    """Return the relations that Django follows when it deletes a row of `model`."""
    relations: Iterable[Any] = get_candidate_relations_to_delete(model._meta)
    return [relation for relation in relations if relation.on_delete is not models.DO_NOTHING]


def overridden(cls: type, base: type, names: Iterable[str]) -> list[str]:
    """Return the `names` whose definition in `cls` differs from `base`."""
    static = inspect.getattr_static
    return [f"{cls.__name__}.{name}" for name in names if static(cls, name, None) is not static(base, name, None)]


def listeners(sender: Any, known: dict[str, Any]) -> list[str]:
    """Return the `known` signals of `sender` that have receivers other than django-simple-history's."""
    return [
        f"{name} of {sender.__name__}"
        for name, signal in known.items()
        for receiver in receivers(signal, sender)
        if not isinstance(getattr(receiver, "__self__", None), HistoricalRecords)
    ]


def receivers(signal: Any, sender: Any) -> list[Any]:
    synchronous, asynchronous = signal._live_receivers(sender)
    return [*synchronous, *asynchronous]


def _is_special(field: Any) -> bool:
    """Return whether a field computes its value in `pre_save` or the database, or converts it by `from_db_value`."""
    return (
        type(field).pre_save not in PRE_SAVES
        or getattr(field, "auto_now", False)
        or getattr(field, "auto_now_add", False)
        or field.generated
        or field.has_db_default()
        or hasattr(field, "from_db_value")
        or hasattr(field, "get_placeholder")
    )


def _history_hooks(model: Any) -> list[str]:
    """Return what the history of `model` defines beyond django-simple-history's defaults."""
    owners = [getattr(receiver, "__self__", None) for receiver in receivers(signals.post_save, model)]
    records: Any = [owner for owner in owners if isinstance(owner, HistoricalRecords)]
    if len(records) != 1 or records[0].manager_name != "history":
        return ["no HistoricalRecords named history"]
    history = model.history.model
    found = [
        f"HistoricalRecords.{name}"
        for name in RECORDS_OPTIONS
        if getattr(records[0], name) != getattr(DEFAULT_RECORDS, name)
    ]
    found += overridden(type(records[0]), HistoricalRecords, RECORDS_METHODS)
    found += overridden(history, models.Model, [*READ_METHODS, *WRITE_METHODS])
    found += listeners(history, READ_SIGNALS | WRITE_SIGNALS | HISTORY_SIGNALS)
    found += [] if records[0].bases == (HistoricalChanges, models.Model) else ["HistoricalRecords.bases"]
    tracked = {field.name for field in history.tracked_fields}
    found += [
        field.name
        for field in history._meta.concrete_fields
        if field.name not in tracked | HISTORY_FIELDS or (field.name in tracked and _is_special(field))
    ]
    if not isinstance(history._meta.pk, models.AutoField):
        found.append(history._meta.pk.name)
    return found if getattr(settings, "SIMPLE_HISTORY_ENABLED", True) else [*found, "SIMPLE_HISTORY_ENABLED"]
