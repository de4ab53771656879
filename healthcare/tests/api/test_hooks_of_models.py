"""Documented hooks of models, managers and signals run on both databases."""

import pytest
from django.db import models
from django.db.models import signals
from simple_history.signals import post_create_historical_record, pre_create_historical_record

from healthcare.tests.api.probes import DETAILS, LISTS, READS, UPDATES, WRITES, assert_ran, cases, serve
from mappings.models import Mapping, MappingQuerySet
from patients.models import HistoricalPatient, Patient, PatientQuerySet
from patients.views import PatientViewSet

MODEL = {
    "__init__": READS | WRITES,
    "save": WRITES - {"destroy"},
    "save_base": WRITES - {"destroy"},
    "delete": {"destroy"},
}


@pytest.mark.parametrize(("hook", "action"), cases(MODEL))
def test_a_method_of_the_model_runs(settings, send, monkeypatch, hook, action):
    calls, original = [], getattr(models.Model, hook)
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def method(self, *args, **kwargs):
        calls.append(hook)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Patient, hook, method)

    assert_ran(send, action, hook, calls)


@pytest.mark.parametrize("action", sorted(READS | UPDATES))
def test_a_method_that_loads_the_model_runs(settings, send, monkeypatch, action):
    calls, original = [], models.Model.from_db.__func__
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def from_db(cls, *args):
        calls.append("from_db")
        return original(cls, *args)

    monkeypatch.setattr(Patient, "from_db", classmethod(from_db))

    assert_ran(send, action, "from_db", calls)


SIGNALS = {
    (signals.pre_init, Patient): READS | WRITES,
    (signals.post_init, Patient): READS | WRITES,
    (signals.pre_save, Patient): WRITES - {"destroy"},
    (signals.post_save, Patient): WRITES - {"destroy"},
    (signals.pre_delete, Patient): {"destroy"},
    (signals.post_delete, Patient): {"destroy"},
    (signals.pre_delete, Mapping): {"destroy"},
    (signals.post_delete, Mapping): {"destroy"},
    (signals.post_save, HistoricalPatient): WRITES,
    (pre_create_historical_record, HistoricalPatient): WRITES,
    (post_create_historical_record, HistoricalPatient): WRITES,
}


@pytest.mark.parametrize(("signal", "action"), cases(SIGNALS))
def test_a_receiver_runs_even_if_it_was_connected_after_the_first_request(settings, send, mapping, signal, action):
    calls = []
    serve(settings, PatientViewSet)
    for first in ("list", "retrieve", "partial_update"):
        send(first)
    Patient.objects.update(name="Before")

    def receiver(sender, **kwargs):
        calls.append(signal)

    signal[0].connect(receiver, sender=signal[1])
    try:
        assert_ran(send, action, signal, calls)
    finally:
        signal[0].disconnect(receiver, sender=signal[1])


@pytest.mark.parametrize("before", [(signals.post_save, Mapping), (signals.post_delete, Patient)])
def test_a_receiver_runs_that_was_connected_to_another_model_or_signal_before(settings, send, before):
    calls = []
    serve(settings, PatientViewSet)

    def receiver(sender, **kwargs):
        calls.append(sender)

    for signal, model in (before, (signals.post_save, Patient)):
        signal.connect(receiver, sender=model)
        try:
            Patient.objects.update(name="Before")
            assert send("partial_update").status_code == 200
        finally:
            signal.disconnect(receiver, sender=model)

    assert calls == [Patient]


@pytest.mark.parametrize("cls", [type(Patient.objects), PatientQuerySet])
def test_create_of_the_manager_or_queryset_runs(settings, send, monkeypatch, cls):
    calls, original = [], cls.create
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def create(self, **kwargs):
        calls.append("create")
        return original(self, **kwargs)

    monkeypatch.setattr(cls, "create", create)

    assert_ran(send, "create", "create", calls)


def test_delete_of_the_queryset_runs_for_the_assignments_of_a_doctor(owner, mapping, monkeypatch):
    calls, original = [], MappingQuerySet.delete

    def delete(self):
        calls.append("delete")
        return original(self)

    monkeypatch.setattr(MappingQuerySet, "delete", delete)

    assert owner.delete(f"/api/doctors/{mapping.doctor_id}/").status_code == 200
    assert calls == ["delete"]


@pytest.mark.parametrize("action", sorted(LISTS | DETAILS))
def test_visible_to_without_a_fixed_shape_is_called_at_every_request(settings, send, action):
    youngest = [0]

    class Varying(PatientQuerySet):
        def visible_to(self, user):
            return self.filter(user__email=user.email, age__gte=youngest[0])

    serve(settings, type("Probe", (PatientViewSet,), {"queryset": Varying(Patient)}))
    assert send("retrieve").status_code == 200
    youngest[0] = 100

    response = send(action)

    assert response.status_code == (200 if action in LISTS else 404)
    assert action not in LISTS or response.json() == []
