"""What a request carries on its way through this project, for those who read its types."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.request import Request

if TYPE_CHECKING:
    from accounts.models import User


class LoggedRequest(HttpRequest):
    """A request with what its line in the log tells: its id, and the ids of the records it touched."""

    id: str
    touched: list[int]


class ApiRequest(Request):
    """A logged-in user's request to the API. DRF passes on what it does not know itself."""

    _request: LoggedRequest
    id: str
    user: "User"
