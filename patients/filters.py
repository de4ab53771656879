from django_filters import rest_framework as filters

from healthcare.api.filters import GenderFilter, IntegerFilter, UpdatedSinceFilter
from patients.models import Patient


class PatientFilter(filters.FilterSet):
    gender = GenderFilter()
    age = IntegerFilter()
    age_min = IntegerFilter(field_name="age", lookup_expr="gte", label="Minimum age in years.")
    age_max = IntegerFilter(field_name="age", lookup_expr="lte", label="Maximum age in years.")
    updated_since = UpdatedSinceFilter(model=Patient)

    class Meta:
        model = Patient
        fields = ["gender", "age", "age_min", "age_max", "updated_since"]
