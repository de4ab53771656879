from django.contrib import admin
from django.db import connection
from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response


@api_view(["GET"])
@permission_classes([AllowAny])
def hello(request):
    """Run one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return Response(cursor.fetchone())


urlpatterns = [path("admin/", admin.site.urls), path("api/", hello)]
