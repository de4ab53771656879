"""The WSGI application that a production server imports."""

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import OperationalError, connection
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")
# Bytes of a multipart body: more than an import accepts, so that its form can say what is wrong with a file.
MAX_UPLOAD = 4 * 1024 * 1024
# Django reads the headers of a part only up to this length. Those of browsers have two or three parameters.
HEADER_BYTES, MAX_PARAMETERS = 1024, 20
# Django limits only fields with a name, to 1,000.
MAX_PARTS = 1100


class Request(WSGIRequest):
    def parse_file_upload(self, META: Mapping[str, Any], post_data: Any) -> Any:  # noqa: N803, Django's name
        """Refuse many parts, and many parameters in a header of one, which Django parses in quadratic time."""
        body = post_data.read(MAX_UPLOAD + 1)
        if len(body) > MAX_UPLOAD:
            raise RequestDataTooBig
        boundary = META["CONTENT_TYPE"].partition("boundary=")[2].strip('"').encode()
        parts = body.split(b"--" + boundary)
        headers = (part[:HEADER_BYTES].partition(b"\r\n\r\n")[0] for part in parts)
        if len(parts) > MAX_PARTS or any(header.count(b";") > MAX_PARAMETERS for header in headers):
            raise MultiPartParserError("The body has too many parts, or a header with too many parameters.")
        return super().parse_file_upload(META, BytesIO(body))


class Application(WSGIHandler):
    """Django's WSGI application, plus support for chunked bodies, and without what is expensive to parse."""

    request_class = Request

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> HttpResponseBase:
        """Read a chunked body (RFC 9112, section 7.1) into memory, up to one byte more than is allowed.

        Django reads only as many bytes as Content-Length announces. Servers that decode chunks set
        `wsgi.input_terminated`.
        """
        if "HTTP_TRANSFER_ENCODING" in environ and environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        cookies = environ.get("HTTP_COOKIE", "")
        if "\\" in cookies:
            # Before Python 3.11.10, 3.12.6 and 3.13, unescaping takes quadratic time (CVE-2024-7592). Django's own
            # cookies have no escapes.
            environ["HTTP_COOKIE"] = ";".join(cookie for cookie in cookies.split(";") if "\\" not in cookie)
        if ";" in environ.get("CONTENT_TYPE", ""):
            environ["CONTENT_TYPE"] = plain_content_type(environ["CONTENT_TYPE"])
        return super().__call__(environ, start_response)


def plain_content_type(value: str) -> str:
    """Return a Content-Type with no parameter but the boundary of a multipart body; everything else must be UTF-8.

    Django parses parameters in quadratic time, and fails for charsets that are no text encoding.
    """
    boundary = re.search(r'boundary=(?:"([^"]{1,70})"|([^";,\s]{1,70}))', value[:300], re.IGNORECASE)
    media_type = value.partition(";")[0].strip()
    return f'{media_type}; boundary="{boundary[1] or boundary[2]}"' if boundary else media_type


def hold_database() -> None:
    """Keep one SQLite connection open in this thread, which handles no requests.

    Closing the last connection would delete the -wal and -shm files, and on a full disk reads would then fail because
    SQLite cannot recreate them.
    """
    with suppress(OperationalError):
        connection.ensure_connection()


try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")
application = Application()
# Import the URLs now; Django would do it during the first request.
get_resolver().url_patterns  # noqa: B018

if not settings.DB_LIVE:
    hold_database()
    # For servers that preload the application and fork: https://www.sqlite.org/howtocorrupt.html, section 2.6
    os.register_at_fork(before=connection.close, after_in_child=hold_database)
