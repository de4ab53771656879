from healthcare.api.viewsets import Router
from patients.views import PatientViewSet

router = Router()
router.register("patients", PatientViewSet, basename="patients")
urlpatterns = router.urls
