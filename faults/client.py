"""Clients of the API: over real HTTP, many concurrently, recording every answer."""

import json
import ssl
import threading
import time
from collections import Counter
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from typing import NamedTuple

PASSWORD = "a horse and a staple"
SECONDS = 60
_accounts = count(1)


class Answer(NamedTuple):
    """What came back. `status` 0: nothing did, and `error` says why. `at` is when, on the monotonic clock."""

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
    def promised_503(self):
        """Tell whether it is the 503 the API promises: a sentence in JSON, and when to come again."""
        try:
            said = self.status == 503 and isinstance(self.json()["detail"], str)
        except (ValueError, KeyError, TypeError):
            return False
        return said and self.headers.get("Retry-After", "").isdecimal()


class Api:
    """A client: one request a connection, so that no answer hangs on what went before."""

    def __init__(self, port, token=None, tls=False):
        self.port, self.token, self.tls = port, token, tls

    def connect(self, source="127.0.0.1"):
        """Return a connection from the address `source`."""
        options = {"timeout": SECONDS, "source_address": (source, 0)}
        if not self.tls:
            return HTTPConnection("127.0.0.1", self.port, **options)
        # The certificate is made for the run.
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
    """Return what the answer says; raise RuntimeError where its status is another than the scene needs."""
    if answer.status != status:
        raise RuntimeError(f"setting the scene: {answer.name} {answer.body[:300]!r} instead of {status}")
    return answer.json()


def patient(number, **fields):
    return {"name": f"Patient {number}", "age": 30, "gender": "female", "phone": f"{5550000000 + number}", **fields}


def doctor(number):
    known = {"name": f"Dr. {number}", "specialization": "Cardiologist", "phone": "9123456780"}
    return {**known, "email": f"doctor{number}@example.com"}


def account():
    return {"name": "Nurse", "email": f"nurse{next(_accounts)}@example.com", "password": PASSWORD}


def user(port, tls=False):
    """Register and log in somebody new; return their client, with their `id`, `account` and token `pair`."""
    api = Api(port, tls=tls)
    api.account = account()
    api.id = must(api.post("/api/auth/register/", api.account), 201)["id"]
    api.pair = must(api.post("/api/auth/login/", api.account), 200)
    api.token = api.pair["access"]
    return api


def concurrently(*calls):
    """Make the calls at the same moment, each on a thread; return their results, in their order."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def one(index, call):
        barrier.wait()
        results[index] = call()

    threads = [threading.Thread(target=one, args=item, daemon=True) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def tally(answers):
    """Return how often each status came, as words: `201 x40, 503 x3`."""
    counted = sorted(Counter(answer.name for answer in answers).items())
    return ", ".join(f"{name} x{number}" for name, number in counted)
