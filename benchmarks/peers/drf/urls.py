from django.urls import include, path
from rest_framework.routers import SimpleRouter
from rest_framework_simplejwt.views import TokenObtainPairView

from benchmarks.peers.drf import views

router = SimpleRouter()
router.register("patients", views.PatientViewSet, basename="patients")
router.register("mappings", views.MappingViewSet, basename="mappings")
urlpatterns = [path("api/auth/login/", TokenObtainPairView.as_view()), path("api/", include(router.urls))]
