"""The API's exceptions beyond those of DRF; `healthcare.api.errors` turns them into responses."""

import random

from django.conf import settings
from rest_framework import exceptions, status

RETRY_AFTER_SECONDS = 2
CONCURRENT_CHANGE = "Somebody else changed this at the same moment. Read it again, then try again."


class Conflict(exceptions.APIException):
    """The request conflicts with what others depend on (RFC 9110, section 15.5.10)."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "Others still use it: it can be deleted once none of their mappings names it."
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """The client edited an old version (RFC 9110, section 13.1.1)."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "It was changed since: read it again, then repeat the change with the new ETag."
    default_code = "precondition_failed"


class DatabaseUnavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database is not available. Try again in a moment."
    default_code = "database_unavailable"
    wait = RETRY_AFTER_SECONDS


class ServerBusy(exceptions.APIException):
    """The request needs what many others wait for already, such as a turn to hash a password."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The server is busy with other log-ins. Try again in a few seconds."
    default_code = "server_busy"

    def __init__(self) -> None:
        super().__init__()
        # Random, so that the refused clients do not all come again together.
        self.wait = random.randint(2, 8)  # noqa: S311, no secret


class PayloadTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "payload_too_large"

    def __init__(self) -> None:
        super().__init__(f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
