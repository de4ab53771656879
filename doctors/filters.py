from django.db.models import QuerySet
from django_filters import rest_framework as filters

from doctors.models import Doctor
from healthcare.api.lists import GenderFilter
from healthcare.db.functions import fold


class DoctorFilter(filters.FilterSet):
    specialization = filters.CharFilter(method="same_specialization", label="in any case")
    gender = GenderFilter()

    class Meta:
        model = Doctor
        fields = ["specialization", "gender"]

    def same_specialization(self, queryset: QuerySet[Doctor], name: str, value: str) -> QuerySet[Doctor]:
        return queryset.filter(specialization__fold=fold(value))
