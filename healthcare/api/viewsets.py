"""The viewset every resource is made of: reads by compiled SQL, each write in one transaction with its history."""

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import FilterSet
from rest_framework import exceptions, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from healthcare.api.exceptions import PreconditionFailed
from healthcare.api.json import encode, json_response
from healthcare.api.lists import Listing, query_parameters
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import ModelSerializer
from healthcare.db.compiled import CompiledQuery, CompiledWrites, Placeholder
from healthcare.fields import ID
from healthcare.logs import log_access


def etag_of(body: bytes) -> str:
    """Return the strong entity tag of a representation: equal bytes, equal tag (RFC 9110, section 8.8.3)."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, etag: str) -> bool:
    """Tell whether an If-Match or If-None-Match header names `etag`. A weak tag is never equal to it."""
    return header.strip() == "*" or etag in (tag.strip() for tag in header.split(","))


class StrictQueryMixin(APIView):
    """Refuse query parameters that the view does not know. Lists name theirs in their `Listing`."""

    request: ApiRequest
    query_parameters: Collection[str] | None = frozenset()
    http_method_names: Sequence[str] = ("get", "head", "post", "put", "patch", "delete")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.query_parameters is not None:
            query_parameters(self.request, self.query_parameters)


class RecordViewSet(StrictQueryMixin, viewsets.GenericViewSet):
    """Create, list, read, change and delete the records of one model.

    A subclass gives `model`, `serializer_class` and what its lists take (`filterset_class`, `search_fields`,
    `ordering_fields`; `grouped_by` names the column that, with the id, is the index of the list). Who may see a row is
    the model's `visible_to(user)`; who may change it, `changeable(user)`: DRF's object permissions are not asked.
    """

    model: Any
    serializer_class: type[ModelSerializer]
    filterset_class: type[FilterSet] | None = None
    search_fields: Sequence[str] = ()
    grouped_by: str | None = None
    ordering_fields: Sequence[str] = ("id",)
    # Whether a single record is read with an ETag, and changed with an If-Match.
    has_etag = True

    @property
    def query_parameters(self) -> Collection[str] | None:  # type: ignore[override]  # it is only read
        return None if self.action == "list" else frozenset()

    def get_queryset(self) -> QuerySet:
        return self.model.objects.visible_to(self.request.user)

    # Read

    @classmethod
    @cache
    def listing(cls) -> Listing:
        return Listing(
            cls.model.objects.visible_to,
            cls.serializer_class,
            cls.filterset_class,
            cls.search_fields,
            cls.ordering_fields,
            cls.grouped_by,
        )

    @classmethod
    @cache
    def one(cls) -> CompiledQuery:
        """Return the compiled query of one record as its `user` sees it."""
        columns = cls.serializer_class.columns().values()
        return CompiledQuery(
            lambda: (
                cls.model.objects.visible_to(Placeholder("user"))
                .filter(pk=Placeholder("pk"))
                .order_by()
                .values_list(*columns)
            )
        )

    def list(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.listing().respond(request, user=request.user)

    def retrieve(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        rows = self.one().rows(user=request.user.pk, pk=int(kwargs["pk"]))
        if not rows:
            raise exceptions.NotFound
        body = encode(dict(zip(self.serializer_class.columns(), rows[0], strict=True)))
        etag = etag_of(body)
        if_none_match = request.META.get("HTTP_IF_NONE_MATCH")
        if if_none_match and matches(if_none_match.replace("W/", ""), etag):
            return HttpResponseNotModified(headers={"ETag": etag})
        return json_response(body, ETag=etag)

    # Write

    @classmethod
    def changeable(cls, user: Any) -> QuerySet:
        """Return the rows `user` may change: as a rule, those they may see."""
        return cls.model.objects.visible_to(user)

    # What those are told who may see a row, but not change it.
    forbidden_detail: str | None = None

    @classmethod
    @cache
    def writes(cls) -> CompiledWrites | None:
        """Return the compiled writes of one record, or None where the database has no such statements."""
        if connection.vendor != "postgresql":
            return None
        return CompiledWrites(
            cls.model,
            cls.serializer_class.columns(),
            lambda: cls.changeable(Placeholder("user")).filter(pk=Placeholder("pk")),
        )

    def create(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        writes = self.writes()
        if writes:
            record = writes.insert(request.user.pk, serializer.validated_data)
        else:
            with transaction.atomic():
                record = self.serializer_class.answer(serializer.save(user=request.user))
        log_access(request, [record["id"]])
        body = encode(record)
        location = f"{request.path.rstrip('/')}/{record['id']}/"
        return json_response(body, status=201, Location=location, ETag=etag_of(body))

    def update(self, request: ApiRequest, *args: Any, partial: bool = False, **kwargs: Any) -> HttpResponseBase:
        serializer = self.get_serializer(data=request.data, partial=partial)
        record = None
        writes = self.quick_writes()
        if writes and serializer.is_valid() and serializer.validated_data:
            record = writes.update(request.user.pk, int(kwargs["pk"]), serializer.validated_data)
        if not record:
            with transaction.atomic():
                serializer.instance = self.locked(no_key=True)
                serializer.is_valid(raise_exception=True)
                record = self.serializer_class.answer(serializer.save())
        body = encode(record)
        return json_response(body, ETag=etag_of(body))

    def partial_update(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        gone = None
        writes = self.quick_writes()
        if writes:
            # Somebody referred to the record meanwhile: the plain path waits for them, and then decides.
            with suppress(IntegrityError):
                gone = writes.delete(request.user.pk, int(kwargs["pk"]))
        if not gone:
            with transaction.atomic():
                self.perform_destroy(self.locked())
        return Response({"detail": f"{self.model._meta.object_name} deleted."})

    def quick_writes(self) -> CompiledWrites | None:
        """Return `writes()` where the change depends on nothing in the row, so that it needs no look at it first."""
        return None if "HTTP_IF_MATCH" in self.request.META else self.writes()

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()

    def locked(self, no_key: bool = False) -> Model:
        """Return the record, locked until the transaction ends: who comes second sees what the first one did.

        Raises NotFound (404), PermissionDenied (403), PreconditionFailed (412).
        """
        changeable = self.changeable(self.request.user).select_for_update(of=("self",), no_key=no_key)
        instance = changeable.filter(pk=self.kwargs["pk"]).first()
        if not instance:
            get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
            raise exceptions.PermissionDenied(self.forbidden_detail)
        if_match = self.request.META.get("HTTP_IF_MATCH")
        if if_match and not matches(if_match, etag_of(encode(self.serializer_class.answer(instance)))):
            raise PreconditionFailed
        return instance


class Router(SimpleRouter):
    """A SimpleRouter whose ids are ASCII digits, for every viewset."""

    def get_lookup_regex(self, viewset: type[viewsets.ViewSetMixin], lookup_prefix: str = "") -> str:
        return f"(?P<pk>{ID})"
