from rest_framework.permissions import SAFE_METHODS, BasePermission

from doctors.models import Doctor


class IsKeeperOrReadOnly(BasePermission):
    """Everybody reads the directory; an entry is changed by who added it, or by staff."""

    message = "Only the user who added this doctor, or staff, may change or delete it."

    def has_object_permission(self, request, view, doctor):
        return request.method in SAFE_METHODS or Doctor.objects.kept_by(request.user).filter(pk=doctor.pk).exists()
