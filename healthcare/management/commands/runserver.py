"""Django's development server, with chunked bodies, JSON errors and a longer queue, like the production server."""

import re
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.servers import basehttp
from whitenoise.runserver_nostatic.management.commands.runserver import Command as RunserverCommand

CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})(;.*)?\r?\n")


class RequestHandler(basehttp.WSGIRequestHandler):
    """Read chunked bodies, and return JSON errors for malformed requests."""

    error_content_type = "application/json"
    error_message_format = '{"detail":"The request is malformed, or its address or headers are too long."}'

    def parse_request(self) -> bool:
        """Parse the request line and headers; replace a chunked body by one with a Content-Length."""
        if not super().parse_request():
            return False
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            try:
                body = read_chunks(self.rfile, settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            except ValueError:
                self.send_error(400)
                return False
            self.rfile = BytesIO(body)
            del self.headers["Transfer-Encoding"], self.headers["Content-Length"]
            self.headers["Content-Length"] = str(len(body))
            self.close_connection = True
        return True


def read_chunks(stream: IO[bytes], limit: int) -> bytes:
    """Read a chunked body (RFC 9112, section 7.1) to its end; return its first `limit` bytes.

    Raises ValueError if it is malformed.
    """
    body, size = b"", -1
    while size:
        match = CHUNK_SIZE.fullmatch(stream.readline(1000))
        if not match:
            raise ValueError("not a chunk")
        size = int(match[1], 16)
        # Read in pieces, because a client may announce any size.
        unread = size
        while unread:
            piece = stream.read(min(unread, 65536))
            if not piece:
                raise ValueError("the body ends within a chunk")
            unread -= len(piece)
            body += piece[: limit - len(body)]
        # The end of the chunk; after the last one, the trailers.
        while stream.readline(65536).strip() and not size:
            pass
    return body


class Server(basehttp.WSGIServer):
    request_queue_size = 1024

    def __init__(self, server_address: Any, handler: Any, **kwargs: Any) -> None:
        super().__init__(server_address, RequestHandler, **kwargs)


class Command(RunserverCommand):
    server_cls = Server
