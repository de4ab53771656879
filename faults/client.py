"""HTTP clients of the API that record every response."""

import json
import ssl
import threading
import time
from collections import Counter
from email.message import Message
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from typing import NamedTuple

PASSWORD = "a horse and a staple"
SECONDS = 60
TRIES = 5
_accounts = count(1)


class Answer(NamedTuple):
    """A response. `status` is 0 if there was none; `error` then names the exception. `at` is a monotonic timestamp."""

    status: int
    headers: Message
    body: bytes
    seconds: float
    at: float
    error: str = ""

    def json(self):
        return json.loads(self.body)

    @property
    def name(self):
        return str(self.status or self.error)

    @property
    def documented_503(self):
        """Return whether it is a 503 as documented: JSON with a `detail`, and a Retry-After header."""
        try:
            well_formed = self.status == 503 and isinstance(self.json()["detail"], str)
        except (ValueError, KeyError, TypeError):
            return False
        return well_formed and self.headers.get("Retry-After", "").isdecimal()


class Api:
    """An API client that opens a new connection per request, so that requests do not affect each other."""

    def __init__(self, port, token=None, tls=False):
        self.port, self.token, self.tls = port, token, tls

    def connect(self, source="127.0.0.1"):
        """Return a connection from the address `source`."""
        options = {"timeout": SECONDS, "source_address": (source, 0)}
        if not self.tls:
            return HTTPConnection("127.0.0.1", self.port, **options)
        # The certificate is self-signed.
        return HTTPSConnection("127.0.0.1", self.port, context=ssl._create_unverified_context(), **options)

    def headers(self, more):
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Content-Type": "application/json", "Host": "localhost", "Connection": "close", **bearer, **more}

    def request(self, method, path, body=None, **headers):
        started = time.monotonic()
        connection = self.connect()
        try:
            connection.request(method, path, body and json.dumps(body), self.headers(headers))
            response = connection.getresponse()
            received = response.status, response.headers, response.read()
            error = ""
        except (OSError, HTTPException) as failure:
            received, error = (0, Message(), b""), type(failure).__name__
        finally:
            connection.close()
        now = time.monotonic()
        return Answer(*received, now - started, now, error)

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, **headers)

    def put(self, path, body, **headers):
        return self.request("PUT", path, body, **headers)

    def delete(self, path, **headers):
        return self.request("DELETE", path, **headers)


def must(answer, status):
    """Return the response's JSON; raise RuntimeError unless it has the status that the setup needs."""
    if answer.status != status:
        raise RuntimeError(f"setup failed: {answer.name} {answer.body[:300]!r} instead of {status}")
    return answer.json()


def patient(number, **fields):
    return {"name": f"Patient {number}", "age": 30, "gender": "female", "phone": f"{5550000000 + number}", **fields}


def doctor(number):
    known = {"name": f"Dr. {number}", "specialization": "Cardiologist", "phone": "9123456780"}
    return {**known, "email": f"doctor{number}@example.com"}


def account():
    return {"name": "Nurse", "email": f"nurse{next(_accounts)}@example.com", "password": PASSWORD}


def user(port, tls=False):
    """Register and log in a new user; return a client with its `id`, `account` and token `pair`."""
    api = Api(port, tls=tls)
    api.account = account()
    api.id = must(retried(partial(api.post, "/api/auth/register/", api.account)), 201)["id"]
    api.pair = must(retried(partial(api.post, "/api/auth/login/", api.account)), 200)
    api.token = api.pair["access"]
    return api


def retried(call):
    """Make a call again after Retry-After, up to TRIES times, while the server is busy; return the last response."""
    for _ in range(TRIES - 1):
        answer = call()
        if not answer.documented_503:
            return answer
        time.sleep(int(answer.headers["Retry-After"]))
    return call()


def concurrently(*calls):
    """Make the calls concurrently, each on its own thread; return their results in order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index, call):
        barrier.wait()
        results[index] = call()

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def tally(answers):
    """Return the number of responses per status, such as `201 x40, 503 x3`."""
    counted = sorted(Counter(answer.name for answer in answers).items())
    return ", ".join(f"{name} x{number}" for name, number in counted)
