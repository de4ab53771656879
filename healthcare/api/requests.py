"""What a request carries on its way through this project, for those who read its types."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request

if TYPE_CHECKING:
    from accounts.models import User


class LoggedRequest(HttpRequest):
    """A request with its id in the log, and the ids of the records it read or changed (`logs.log_access`)."""

    id: str
    accessed_ids: list[int]


class ApiRequest(Request):
    """A logged-in user's request to the API. DRF passes on what it does not know itself."""

    _request: LoggedRequest
    id: str
    user: "User"
