from django_filters import rest_framework as filters

from healthcare.api.filters import IntegerFilter
from mappings.models import Mapping


class MappingFilter(filters.FilterSet):
    patient = IntegerFilter(field_name="patient_id")
    doctor = IntegerFilter(field_name="doctor_id")

    class Meta:
        model = Mapping
        fields = ["patient", "doctor"]
