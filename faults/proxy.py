"""nginx with deploy/nginx.conf in front of the app: slow clients, rejected requests, a stopped app."""

import json
import os
import socket
import ssl
import statistics
import subprocess
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPResponse

from faults import processes
from faults.client import Api, must, patient, tally, user
from faults.world import ROOT

SLOW_CLIENTS = 100
SERVED_SECONDS = 1
# A client blocked by a slow one would wait for nginx's time-out of 20 s.
HUNG_SECONDS = 10
ANOTHER_ADDRESS = "127.0.0.2"
CANARY = "Canary"
# In deploy/nginx.conf. Other faults send more from one address.
RATE, BURST = "rate=50r/s", 200
# Requests that nginx rejects itself: {request: status}.
REJECTED = {
    "TRACE /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n": 405,
    "POST /api/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
    "POST /api/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n": 413,
    f"GET /api/?search={CANARY} Smith HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    f"GET /api/?search={CANARY * 2000} HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    f"GET /api/ HTTP/1.1\r\nHost: localhost\r\nCookie: {CANARY * 8000}\r\n\r\n": 400,
    "GET /api/ HTTP/1.1\r\n\r\n": 400,
    "GET /api/ HTTP/3.0\r\nHost: localhost\r\n\r\n": 505,
}
HALF_A_REQUEST = (
    "POST /api/patients/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    'Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{"name": "Half'
)


class Nginx:
    """nginx with deploy/nginx.conf; only ports, certificate, folders and the rate per address are replaced."""

    def __init__(self, world, upstream, rate="100000r/s"):
        self.folder, self.port, self.plain_port = world.new_folder(), world.port(), world.port()
        self.log = self.folder / "nginx.log"
        conf = (ROOT / "deploy" / "nginx.conf").read_text()
        for original, replacement in {
            "listen 80 ": f"listen 127.0.0.1:{self.plain_port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "/etc/nginx/tls": str(self.folder),
            RATE: f"rate={rate}",
            "http {": f"http {{ client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;",
        }.items():
            if original not in conf:
                raise RuntimeError(f"deploy/nginx.conf no longer contains {original!r}")
            conf = conf.replace(original, replacement)
        (self.folder / "nginx.conf").write_text(conf)

    def __enter__(self):
        self.certify()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [
                    *(processes.program("nginx"), "-p", self.folder, "-c", self.folder / "nginx.conf"),
                    *("-g", f"daemon off; pid {self.folder}/pid; {'user root;' if os.geteuid() == 0 else ''}"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.wait_until(lambda: Api(self.port, tls=True).get("/healthz").status, 10, "no nginx", self.log)
        return self

    def __exit__(self, *error):
        pids = processes.tree(self.process.pid)
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        processes.kill(pids)

    def certify(self):
        files = ["-keyout", self.folder / "privkey.pem", "-out", self.folder / "fullchain.pem"]
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
        openssl = [processes.program("openssl"), "req", "-x509", "-days", "1", *kind, *files]
        subprocess.run(openssl, capture_output=True, check=True)


def slow_clients(world, row, kind):
    """100 clients stall in mid-body, through nginx.

    All belong to one user at one address. Meanwhile a read and a log-in of another client take at most a second, or
    twice their time alone. A body over 1 MB gets 413, a log-in over plain HTTP 403, and with the app stopped nginx
    responds 503 with Retry-After; all are JSON. nginx's log has no search terms.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        client = user(nginx.port, tls=True)
        alone = response_times(row, client)
        slow = user(nginx.port, tls=True)
        stuck = [half_a_request(nginx.port, slow.token) for _ in range(SLOW_CLIENTS)]
        time.sleep(0.5)
        under_load = response_times(row, client)
        for name, seconds in under_load.items():
            limit = max(SERVED_SECONDS, 2 * alone[name])
            row.require(seconds < limit, f"a {name} took {seconds:.2f} s with {SLOW_CLIENTS} slow clients")
        for connection in stuck:
            connection.close()
        plain = Api(nginx.plain_port).post("/api/auth/login/", client.account)
        row.require(
            plain.status == 403 and "https" in plain.json()["detail"], f"plain HTTP: {plain.name} {plain.body!r}"
        )
        large = client.post("/api/patients/", {"name": "x" * 1024 * 1024})
        row.require(large.status == 413 and "detail" in large.json(), f"a body over 1 MB: {large.name} {large.body!r}")
        app.kill()
        stopped = client.get(f"/api/patients/?search={CANARY}")
        row.require(CANARY not in nginx.log.read_text(), "nginx logged a search term")
        row.require(stopped.documented_503, f"the app stopped: {stopped.name} {stopped.body!r}")
        row.require(not app.errors(), f"{len(app.errors())} responses were 500")
        row.requests = f"{SLOW_CLIENTS} stalled bodies; 5 reads, 5 log-ins; plain HTTP; over 1 MB; app stopped"
        row.responses = (
            "; ".join(
                f"{name} {alone[name] * 1000:.0f} ms alone, {under_load[name] * 1000:.0f} ms under load"
                for name in alone
            )
            + f"; {tally([plain, large, stopped])}"
        )


def rejected_by_nginx(world, row, kind):
    """nginx rejects a request itself.

    TRACE, an unknown Transfer-Encoding, a body over 1 MB, malformed and oversized requests, on both ports; plain HTTP
    on the TLS port; more requests than the rate of an address allows. Every response is JSON; nginx logs no request.
    The application receives the host with its port.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port, rate="1r/s") as nginx:
        client, answers = user(nginx.port, tls=True), []
        for port, tls in ((nginx.plain_port, False), (nginx.port, True)):
            for request, status in REJECTED.items():
                answers.append((raw(port, tls, request), status))
        answers.append((raw(nginx.port, False, "GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 403))
        answers.append((raw(nginx.port, False, [*REJECTED][2]), 403))
        for (actual, body), status in answers:
            row.require(actual == status, f"{actual} instead of {status}: {body[:100]}")
            row.require(is_detail(body), f"not JSON: {body[:100]}")
        for number in range(2):
            must(client.post("/api/patients/", patient(number)), 201)
        host = f"localhost:{nginx.port}"
        link = client.get("/api/patients/?limit=1", Host=host).headers["Link"]
        row.require(f"https://{host}/" in link, f"Link: {link}")
        limited = [answer for answer in (client.get("/healthz") for _ in range(BURST + 1)) if answer.status == 429]
        row.require(bool(limited), f"{BURST + 1} requests of one address within its rate")
        for answer in limited:
            row.require(is_detail(answer.body) and "Retry-After" in answer.headers, f"429: {answer.body[:100]}")
        row.require(CANARY not in nginx.log.read_text(), "nginx logged a request")
        row.requests = f"{len(answers)} requests"
        row.responses = ", ".join(
            f"{status} x{times}" for status, times in sorted(Counter(status for (status, _), _ in answers).items())
        )


def raw(port, tls, request):
    """Send a request; return the status and body of the response."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    if tls:
        connection = ssl._create_unverified_context().wrap_socket(connection, server_hostname="localhost")
    with connection:
        connection.sendall(request.encode())
        response = HTTPResponse(connection)
        response.begin()
        return response.status, response.read().decode()


def is_detail(body):
    try:
        return [*json.loads(body)] == ["detail"]
    except ValueError:
        return False


def response_times(row, client):
    """Return the median seconds of a read and of a log-in; require that none hangs."""
    seconds = {}
    for name, call in {
        "read": lambda: client.get("/api/patients/"),
        "log-in": lambda: client.post("/api/auth/login/", client.account),
    }.items():
        answers = [call() for _ in range(5)]
        row.require(all(answer.status == 200 for answer in answers), f"a {name} got {tally(answers)}")
        slowest = max(answer.seconds for answer in answers)
        row.require(slowest < HUNG_SECONDS, f"a {name} took {slowest:.1f} s")
        seconds[name] = statistics.median(answer.seconds for answer in answers)
    return seconds


def half_a_request(port, token):
    context = ssl._create_unverified_context()  # the certificate is self-signed
    plain = socket.create_connection(("127.0.0.1", port), source_address=(ANOTHER_ADDRESS, 0))
    connection = context.wrap_socket(plain, server_hostname="localhost")
    connection.sendall(HALF_A_REQUEST.format(token=token).encode())
    return connection
