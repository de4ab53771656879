from django.db import IntegrityError, transaction
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import exceptions, mixins, pagination, viewsets
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from benchmarks.peers import cursors
from benchmarks.peers.drf.models import Mapping, Patient
from benchmarks.peers.drf.serializers import AssignedDoctorSerializer, MappingSerializer, PatientSerializer


def exception_handler(error, context):
    """Return errors with the project's keys: a plain 404, and a 401 without SimpleJWT's additional keys."""
    response = drf_exception_handler(exceptions.NotFound() if isinstance(error, Http404) else error, context)
    if response is not None and response.status_code == 401:
        response.data = {"detail": response.data["detail"]}
    return response


class KeysetPagination(pagination.BasePagination):
    """Paginate by id, if `limit` is given."""

    def paginate_queryset(self, queryset, request, view=None):
        if "limit" not in request.query_params:
            return None
        try:
            self.limit, after = cursors.after(request.query_params["limit"], request.query_params.get("cursor"))
        except ValueError as error:
            raise exceptions.ValidationError({"limit": [str(error)]}) from None
        rows = list(queryset.filter(id__gt=after)[: self.limit + 1])
        self.more, self.url = len(rows) > self.limit, request.build_absolute_uri(request.path)
        return rows[: self.limit]

    def get_paginated_response(self, data):
        return Response(data, headers={"Link": cursors.link(self.url, self.limit, data[-1]["id"])} if self.more else {})


class UniqueMixin:
    """Save with the user; turn an IntegrityError into a 400."""

    taken = "This exists already."

    def perform_create(self, serializer):
        self.store(serializer, user=self.request.user)

    def perform_update(self, serializer):
        self.store(serializer)

    def store(self, serializer, **values):
        try:
            with transaction.atomic():
                serializer.save(**values)
        except IntegrityError:
            raise exceptions.ValidationError({"non_field_errors": [self.taken]}) from None


class PatientViewSet(UniqueMixin, viewsets.ModelViewSet):
    serializer_class = PatientSerializer
    pagination_class = KeysetPagination

    def get_queryset(self):
        return Patient.objects.filter(user=self.request.user)

    def destroy(self, request, *args, **kwargs):
        super().destroy(request, *args, **kwargs)
        return Response({"detail": "Patient deleted."})


class MappingViewSet(UniqueMixin, mixins.CreateModelMixin, viewsets.GenericViewSet):
    serializer_class = MappingSerializer
    queryset = Mapping.objects.all()

    def retrieve(self, request, pk):
        patient = get_object_or_404(Patient, pk=pk, user=request.user)
        assigned = Mapping.objects.filter(patient=patient).select_related("doctor")
        return Response(AssignedDoctorSerializer(assigned, many=True).data)
