from django_filters import rest_framework as filters

from doctors.models import Doctor
from healthcare.api.filters import FoldFilter, GenderFilter


class DoctorFilter(filters.FilterSet):
    specialization = FoldFilter()
    gender = GenderFilter()

    class Meta:
        model = Doctor
        fields = ["specialization", "gender"]
