"""Exceptions that DRF does not have; `healthcare.api.errors` converts them into responses."""

import random

from rest_framework import exceptions, status

RETRY_AFTER_SECONDS = 2
CONCURRENT_CHANGE = "Another request changed this record at the same time. Read it again and retry."


class Conflict(exceptions.APIException):
    """Other records depend on the record (RFC 9110, section 15.5.10)."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "This record cannot be deleted while other records, such as mappings of other users, refer to it."
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """If-Match names an outdated version (RFC 9110, section 13.1.1)."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = "The record has changed since you read it. Read it again and retry with the new ETag."
    default_code = "precondition_failed"


class DatabaseUnavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database is unavailable. Try again in a few seconds."
    default_code = "database_unavailable"
    wait = RETRY_AFTER_SECONDS


class ServerBusy(exceptions.APIException):
    """Too many requests already wait for a limited resource, such as password hashing."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The server is busy with other log-ins. Try again in a few seconds."
    default_code = "server_busy"

    def __init__(self) -> None:
        super().__init__()
        # Random, so that refused clients do not all retry at the same time.
        self.wait = random.randint(2, 8)  # noqa: S311, no secret


class JobBusy(ServerBusy):
    """Another import or export runs in this process."""

    default_detail = "The server is busy with another import or export. Try again in a few seconds."


class PayloadTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "payload_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit} bytes.")
