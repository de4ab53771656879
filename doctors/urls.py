from doctors.views import DoctorViewSet
from healthcare.api.viewsets import Router

router = Router()
router.register("doctors", DoctorViewSet, basename="doctors")
urlpatterns = router.urls
