"""Plain DRF: ModelSerializer, ModelViewSet, SimpleJWT, gunicorn's sync workers, a connection per request."""
