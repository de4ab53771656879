"""A steady load with unique contents, and the comparison of its responses with the database."""

import random
import threading
import time
from collections import Counter
from http.client import HTTPSConnection
from itertools import count, pairwise
from ssl import _create_unverified_context

from faults.client import SECONDS, Api, account, must, patient
from faults.cluster.machines import HTTPS

WRITERS, READERS = 8, 4
PAUSE_SECONDS = 0.1
_marks = count(1)


class Site(Api):
    """A client of the cluster's nginx."""

    def __init__(self, address):
        super().__init__(HTTPS)
        self.address = address

    def connect(self):
        # The certificate is self-signed.
        return HTTPSConnection(self.address, HTTPS, timeout=SECONDS, context=_create_unverified_context())

    def register(self):
        self.account = account()
        self.id = must(self.post("/api/auth/register/", self.account), 201)["id"]
        self.token = must(self.post("/api/auth/login/", self.account), 200)["access"]
        return self


class Client(threading.Thread):
    """Send requests in a loop until stopped, and record every response."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.stopping = api, threading.Event()
        self.answers, self.unexpected = [], []

    def run(self):
        while not self.stopping.is_set():
            self.cycle()
            time.sleep(PAUSE_SECONDS)

    def send(self, method, path, expected, body=None):
        """Return the response; record it as unexpected unless it has the expected status or is the documented 503."""
        answer = self.api.request(method, path, body)
        self.answers.append((method, answer, answer.status == expected))
        if answer.status != expected and not answer.documented_503:
            self.unexpected.append(f"{method}: {answer.name} {answer.body[:120]!r}")
        return answer


class Reader(Client):
    def cycle(self):
        self.send("GET", "/api/patients/?limit=10", 200)


class Writer(Client):
    """Create, read back, change and delete patients. Each address is sent only once, so it identifies its request.

    A record with an unacknowledged request is not used again: a frozen app may execute the request much later.
    """

    def __init__(self, api):
        super().__init__(api)
        self.current, self.deleted = {}, []  # {id: address}, [id]: acknowledged
        self.acknowledged = []  # [(id, address)] of creates and changes
        self.rejected, self.undeleted = [], []  # [address], [id]: not acknowledged
        self.uncertain = {}  # {id: addresses that may be stored}
        self.stale = 0

    def cycle(self):
        self.create()
        if len(self.current) > 5:
            self.change()
            self.delete()

    def create(self):
        mark = new_mark()
        answer = self.send("POST", "/api/patients/", 201, patient(next(_marks), address=mark))
        if answer.status != 201:
            self.rejected.append(mark)
            return
        pk = answer.json()["id"]
        self.acknowledge(pk, mark)
        read = self.send("GET", f"/api/patients/{pk}/", 200)
        self.stale += read.status == 404 or (read.status == 200 and read.json()["address"] != mark)

    def change(self):
        pk, mark = random.choice(list(self.current)), new_mark()  # noqa: S311, nothing secret
        answer = self.send("PUT", f"/api/patients/{pk}/", 200, patient(next(_marks), address=mark))
        if answer.status == 200:
            self.acknowledge(pk, mark)
        else:
            self.rejected.append(mark)
            self.uncertain[pk] = {self.current.pop(pk), mark}

    def delete(self):
        pk = next(iter(self.current))
        answer = self.send("DELETE", f"/api/patients/{pk}/", 200)
        address = self.current.pop(pk)
        if answer.status == 200:
            self.deleted.append(pk)
        else:
            self.undeleted.append(pk)
            self.uncertain[pk] = {address, None}

    def acknowledge(self, pk, mark):
        self.current[pk] = mark
        self.acknowledged.append((pk, mark))


def new_mark():
    return f"street {next(_marks)}"


class Load:
    """Writers, each with its own user, and readers that run during the block."""

    def __init__(self, address):
        self.writers = [Writer(Site(address).register()) for _ in range(WRITERS)]
        self.readers = [Reader(self.writers[0].api) for _ in range(READERS)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *error):
        for client in self.clients:
            client.stopping.set()
        for client in self.clients:
            client.join()

    @property
    def clients(self):
        return [*self.writers, *self.readers]

    def answers(self, clients):
        return [answer for client in clients for answer in client.answers]

    def longest_answer(self):
        return max(answer.seconds for _, answer, _ in self.answers(self.clients))

    def errors(self):
        return sum(not expected for _, _, expected in self.answers(self.clients))

    def gap(self, clients, *methods):
        """Return the longest time in seconds without a successful request of these clients and methods."""
        answers = self.answers(clients)
        times = sorted(answer.at for method, answer, expected in answers if expected and method in methods)
        return max((after - before for before, after in pairwise(times)), default=float("inf"))


class Outcome:
    """The writes of these writers, compared with the database."""

    def __init__(self, writers, sql):
        users = [tuple(writer.api.id for writer in writers)]
        present = dict(sql("SELECT id, address FROM patients_patient WHERE user_id IN %s", users))
        versions = sql("SELECT id, address, history_type FROM patients_historicalpatient WHERE user_id IN %s", users)
        stored = Counter((pk, address) for pk, address, kind in versions if kind != "-")
        marks = {address for _, address in stored}
        deletions = Counter(pk for pk, _, kind in versions if kind == "-")
        self.acknowledged = self.lost = self.stored_despite_error = 0
        for writer in writers:
            self.acknowledged += len(writer.acknowledged) + len(writer.deleted)
            self.lost += sum(version not in stored for version in writer.acknowledged)
            self.lost += sum(present.get(pk) != address for pk, address in writer.current.items())
            self.lost += sum(present.get(pk) not in allowed for pk, allowed in writer.uncertain.items())
            self.lost += sum(pk in present or pk not in deletions for pk in writer.deleted)
            self.stored_despite_error += sum(mark in marks for mark in writer.rejected)
            self.stored_despite_error += sum(pk in deletions for pk in writer.undeleted)
        # The first version of a patient has the address of its POST, and each later one that of its PUT.
        self.duplicated = sum(times - 1 for times in [*stored.values(), *deletions.values()])
        self.partial = len(set(present) ^ ({pk for pk, _ in stored} - set(deletions)))
