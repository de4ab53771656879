"""The usual solution: ModelSerializer, ModelViewSet, SimpleJWT, gunicorn's sync workers, a connection a request."""
