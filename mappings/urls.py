from django.urls import re_path

from healthcare.api.viewsets import Router
from healthcare.fields import ID
from mappings import views

router = Router()
router.register("mappings", views.MappingViewSet, basename="mappings")
urlpatterns = [
    *router.urls,
    re_path(
        f"^patients/(?P<pk>{ID})/doctors/$",
        views.PatientDoctorsViewSet.as_view({"get": "retrieve"}),
        name="patients-doctors",
    ),
    re_path(
        f"^doctors/(?P<pk>{ID})/patients/$",
        views.DoctorPatientsViewSet.as_view({"get": "list"}),
        name="doctors-patients",
    ),
]
