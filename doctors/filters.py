from django_filters import rest_framework as filters

from doctors.models import Doctor
from healthcare.api.filters import FoldFilter, GenderFilter, UpdatedSinceFilter


class DoctorFilter(filters.FilterSet):
    specialization = FoldFilter()
    gender = GenderFilter()
    updated_since = UpdatedSinceFilter(model=Doctor)

    class Meta:
        model = Doctor
        fields = ["specialization", "gender", "updated_since"]
