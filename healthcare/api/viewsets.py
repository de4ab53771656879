"""The base viewset of all resources: DRF's, plus entity tags, locks and compiled SQL."""

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache, cached_property, lru_cache
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from rest_framework import exceptions, serializers, viewsets
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from healthcare.api.compiled import CompiledPath
from healthcare.api.csv import CSVRenderer
from healthcare.api.exceptions import PreconditionFailed
from healthcare.api.filters import FilterBackend, OrderingFilter, SearchFilter
from healthcare.api.json import encode, json_response
from healthcare.api.negotiation import FORMAT, select_format
from healthcare.api.pagination import KeysetPagination
from healthcare.api.requests import ApiRequest, check_query
from healthcare.api.streaming import Rows, largest_row
from healthcare.db.compiled import fixed_shape
from healthcare.db.deadlocks import was_rolled_back
from healthcare.db.hooks import SIGNALS
from healthcare.db.writes import CompiledWrites
from healthcare.fields import ID
from healthcare.logs import log_access

# Arguments that a router passes to `as_view` in addition to attributes of the view.
ROUTER_KWARGS = {"basename", "description", "detail", "name", "schema", "suffix"}

ORDER_AND_PAGE = {
    FORMAT,
    OrderingFilter.ordering_param,
    KeysetPagination.limit_query_param,
    KeysetPagination.cursor_query_param,
}


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a representation (RFC 9110, section 8.8.3)."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, etag: str) -> bool:
    """Return whether an If-Match or If-None-Match header contains `etag`.

    Weak tags are accepted in If-Match too, because proxies that compress a response weaken its tag.
    """
    return header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))


class ApiViewMixin(APIView):
    """All views of the API refuse unknown query parameters, and retry a request once after a deadlock."""

    request: ApiRequest
    http_method_names: Sequence[str] = ("get", "head", "post", "put", "patch", "delete")

    def get_query_parameters(self) -> Collection[str]:
        return ()

    def handle_exception(self, exc: Exception) -> Response:
        """Retry a request once if the database rolled it back because of a deadlock or serialization failure."""
        if was_rolled_back(exc):
            handler = getattr(self, str(self.request.method).lower())
            try:
                return handler(self.request, *self.args, **self.kwargs)
            except Exception as error:
                exc = error
        return super().handle_exception(exc)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A method that is not allowed is a 405, whatever the query.
        if request.META.get("QUERY_STRING") and request.method in self.allowed_methods:
            check_query(request, self.get_query_parameters())
            if FORMAT in request.query_params:
                select_format(request, self.get_renderers())


class RecordViewSet(ApiViewMixin, viewsets.GenericViewSet):
    """Create, list, read, update and delete the records of one model.

    Users see the records that `visible_to(user)` of the model's queryset returns. All attributes and methods of DRF's
    ModelViewSet work as documented, on both databases. Actions without overridden hooks use SQL that is compiled once
    (`healthcare.api.compiled`).
    """

    queryset: Any
    filter_backends = [FilterBackend, SearchFilter, OrderingFilter]
    pagination_class: Any = KeysetPagination
    ordering_fields: Sequence[str] = ("id",)
    # Whether single records have an ETag and support If-Match.
    has_etag = True

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        attributes = {name: initkwargs.pop(name) for name in initkwargs.keys() - ROUTER_KWARGS}
        if attributes:
            # A separate class, because decisions about compiled SQL are made once per class.
            return type(cls.__name__, (cls,), attributes).as_view(actions, **initkwargs)  # type: ignore[attr-defined]
        return super().as_view(actions, **initkwargs)

    @cached_property
    def compiled(self) -> CompiledPath:
        # Decide again when a signal gets another receiver. The first item of each identifies it and its sender.
        return self.compiled_path(*[tuple([receiver[0] for receiver in signal.receivers]) for signal in SIGNALS])

    @classmethod
    @lru_cache(maxsize=256)
    def compiled_path(cls, *receivers: Any) -> CompiledPath:
        return CompiledPath(cls, RecordViewSet)

    @fixed_shape
    def get_queryset(self) -> QuerySet:
        return super().get_queryset().visible_to(self.request.user)  # type: ignore[attr-defined]  # of our managers

    def get_query_parameters(self) -> Collection[str]:
        return self._list_parameters() if self.action == "list" else ()

    @classmethod
    @cache
    def _list_parameters(cls) -> set[str]:
        """Return the query parameters that the filters and the paginator document."""
        kinds = [*cls.filter_backends, *([cls.pagination_class] if cls.pagination_class else [])]
        return {FORMAT} | {item["name"] for kind in kinds for item in kind().get_schema_operation_parameters(cls())}

    def get_renderers(self) -> list[BaseRenderer]:
        """Return the renderers; lists also support CSV."""
        renderers = super().get_renderers()
        return [*renderers, CSVRenderer()] if self.action == "list" else renderers

    # Read

    def list(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        renderer: Any = request.accepted_renderer
        as_csv = isinstance(renderer, CSVRenderer)
        if self.compiled.pages:
            paginator: Any = self.paginator
            rows = self._rows(paginator)
            response = paginator.get_response(renderer.table(rows, self.get_serializer()) if as_csv else rows)
        else:
            queryset = self.filter_queryset(self.get_queryset())
            page = self.paginate_queryset(queryset)
            records = list(queryset) if page is None else page
            log_access(request, [record.pk for record in records])
            data = self.get_serializer(records, many=True).data
            response = Response(data) if page is None else self.get_paginated_response(data)
        if as_csv:
            name = self.queryset.model._meta.model_name
            response["Content-Disposition"] = f'attachment; filename="{name}s.csv"'
        return response

    def _rows(self, paginator: KeysetPagination) -> Rows:
        """Return the rows of a list: by compiled SQL, else as columns from the ORM, else as serialized instances."""
        compiled, request = self.compiled, self.request
        narrowed = request.META.get("QUERY_STRING") and request.query_params.keys() - ORDER_AND_PAGE
        if compiled.lists and not narrowed:
            paginator.read_query(request, None, self)
            return compiled.compiled_rows(paginator.order, request.user.pk, self.kwargs)
        queryset = self.filter_queryset(self.get_queryset())
        paginator.read_query(request, queryset, self)
        order = paginator.order
        if compiled.responds:
            return compiled.queryset_rows(order, queryset, bool(narrowed))

        def objects(records: list[Any], number: int) -> list[Any]:
            return self.get_serializer(records[:number], many=True).data

        return Rows(
            lambda after, number, offset: list(order.sort(queryset, after)[offset : offset + number]),
            order.key,
            lambda record: record.pk,
            lambda records, number: encode(objects(records, number)),
            objects,
            largest_row(queryset.model._meta.concrete_fields),
            scans=bool(narrowed),
        )

    def retrieve(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        compiled = self.compiled
        if compiled.retrieves:
            rows = compiled.detail_query.rows(user=request.user.pk, pk=int(kwargs["pk"]))
            if not rows:
                raise exceptions.NotFound
            data = dict(zip(compiled.columns or {}, rows[0], strict=True))
        else:
            data = self.get_serializer(self.get_object()).data
        body = encode(data)
        if not self.has_etag:
            return json_response(body)
        etag = etag_of(body)
        if_none_match = request.META.get("HTTP_IF_NONE_MATCH")
        if if_none_match and matches(if_none_match, etag):
            return HttpResponseNotModified(headers={"ETag": etag})
        return json_response(body, ETag=etag)

    # Write: one compiled statement, or DRF's methods in a transaction

    def create(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        writes = self._writes("create", serializer)
        if writes:
            data = writes.insert(request.user.pk, serializer.validated_data)
        else:
            with transaction.atomic():
                self.perform_create(serializer)
                data = serializer.data
        log_access(request, [data["id"]] if "id" in data else [])
        return self._record_response(data, 201, self.get_success_headers(data))

    def get_success_headers(self, data: Any) -> dict[str, str]:
        return {"Location": f"{self.request.path.rstrip('/')}/{data['id']}/"} if "id" in data else {}

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        serializer.save(user=self.request.user)

    def perform_update(self, serializer: serializers.BaseSerializer) -> None:
        serializer.save()

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()

    def update(self, request: ApiRequest, *args: Any, partial: bool = False, **kwargs: Any) -> HttpResponseBase:
        data = self._compiled_update(partial)
        if data is None:
            with transaction.atomic():
                serializer = self.get_serializer(self._locked_object(), data=request.data, partial=partial)
                serializer.is_valid(raise_exception=True)
                self.perform_update(serializer)
                data = serializer.data
        return self._record_response(data, 200, {})

    def partial_update(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.update(request, *args, **{**kwargs, "partial": True})

    def destroy(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        deleted = None
        writes = "HTTP_IF_MATCH" not in request.META and self.compiled.writes("destroy")
        if writes:
            # If a concurrent insert references this row, retry with the ORM, under a lock.
            with suppress(IntegrityError):
                deleted = writes.delete(request.user.pk, int(kwargs["pk"]))
        if not deleted:
            with transaction.atomic():
                self.perform_destroy(self._locked_object())
        return Response({"detail": f"{self.queryset.model._meta.object_name} deleted."})

    def _compiled_update(self, partial: bool) -> dict[str, Any] | None:
        """Update the record by one statement and return it; None if it does not exist or DRF's methods must decide.

        Those also reject invalid data, because a record that does not exist is a 404 whatever the body.
        """
        if "HTTP_IF_MATCH" in self.request.META or not self.compiled.writes("update"):
            return None
        serializer = self.get_serializer(data=self.request.data, partial=partial)
        if not serializer.is_valid() or not serializer.validated_data:
            return None
        writes = self._writes("update", serializer)
        if not writes:
            return None
        return writes.update(self.request.user.pk, int(self.kwargs["pk"]), serializer.validated_data)

    def _writes(self, action: str, serializer: Any) -> CompiledWrites | None:
        """Return the compiled writes if they can store all validated data, else None."""
        writes = self.compiled.writes(action)
        return writes if writes and serializer.validated_data.keys() <= writes.fields.keys() else None

    def _locked_object(self) -> Model:
        """Return the record, locked until the end of the transaction; raise 404, 403 or PreconditionFailed (412)."""
        instance = self.get_object()
        if connection.features.has_select_for_update:
            locked = type(instance)._base_manager.select_for_update(no_key=self.action != "destroy")
            list(locked.filter(pk=instance.pk).values("pk"))
            # Read again, because a concurrent request may have changed it before the lock.
            instance = self.get_object()
        if_match = self.request.META.get("HTTP_IF_MATCH")
        if if_match and not matches(if_match, etag_of(encode(self.get_serializer(instance).data))):
            raise PreconditionFailed
        return instance

    def _record_response(self, data: Any, status: int, headers: dict[str, str]) -> HttpResponseBase:
        body = encode(data)
        return json_response(body, status, **headers, **({"ETag": etag_of(body)} if self.has_etag else {}))


class Router(SimpleRouter):
    """A SimpleRouter that accepts only ids of ASCII digits."""

    def get_lookup_regex(self, viewset: Any, lookup_prefix: str = "") -> str:
        by_id = viewset.lookup_field == "pk" and not hasattr(viewset, "lookup_value_regex")
        return f"(?P<pk>{ID})" if by_id else super().get_lookup_regex(viewset, lookup_prefix)
