"""The nginx of deploy/nginx.conf in front of the app: slow clients, what it refuses itself, an app that has ended."""

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
# A client that has to wait for a slow one waits until nginx gives up on that one, 20 s.
HUNG_SECONDS = 10
ANOTHER_ADDRESS = "127.0.0.2"
SOUGHT = "Canary"
# Requests that nginx refuses by itself, and the status of its answer.
REFUSED = {
    "TRACE /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n": 405,
    "POST /api/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n": 501,
    "POST /api/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n": 413,
    f"GET /api/?search={SOUGHT} Smith HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    f"GET /api/?search={SOUGHT * 2000} HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    f"GET /api/ HTTP/1.1\r\nHost: localhost\r\nCookie: {SOUGHT * 8000}\r\n\r\n": 400,
    "GET /api/ HTTP/1.1\r\n\r\n": 400,
    "GET /api/ HTTP/3.0\r\nHost: localhost\r\n\r\n": 505,
}
HALF_A_REQUEST = (
    "POST /api/patients/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    'Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{"name": "Half'
)


class Nginx:
    """nginx with the project's own configuration, but for its ports, its certificate and its folders."""

    def __init__(self, world, upstream):
        self.folder, self.port, self.plain_port = world.new_folder(), world.port(), world.port()
        self.log = self.folder / "nginx.log"
        conf = (ROOT / "deploy" / "nginx.conf").read_text()
        for ours, here in {
            "listen 80 ": f"listen 127.0.0.1:{self.plain_port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
            "/etc/nginx/tls": str(self.folder),
            "http {": f"http {{ client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;",
        }.items():
            if ours not in conf:
                raise RuntimeError(f"deploy/nginx.conf has no {ours!r} any more")
            conf = conf.replace(ours, here)
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
    """100 clients send half a body and stop, through nginx.

    They are of one user at one address; others are served meanwhile, a read and a log-in each within a second, or
    within twice its time alone. A body over 1 MB is 413, a log-in over plain HTTP 403, and with the app ended nginx
    itself answers 503 with Retry-After, all in JSON. Its log names nobody.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        client = user(nginx.port, tls=True)
        alone = served(row, client)
        slow = user(nginx.port, tls=True)
        stuck = [half_a_request(nginx.port, slow.token) for _ in range(SLOW_CLIENTS)]
        time.sleep(0.5)
        beside = served(row, client)
        for name, seconds in beside.items():
            enough = max(SERVED_SECONDS, 2 * alone[name])
            row.require(seconds < enough, f"a {name} took {seconds:.2f} s beside {SLOW_CLIENTS} slow clients")
        for connection in stuck:
            connection.close()
        clear = Api(nginx.plain_port).post("/api/auth/login/", client.account)
        row.require(
            clear.status == 403 and "https" in clear.json()["detail"], f"plain HTTP: {clear.name} {clear.body!r}"
        )
        large = client.post("/api/patients/", {"name": "x" * 1024 * 1024})
        row.require(large.status == 413 and "detail" in large.json(), f"a body too large: {large.name} {large.body!r}")
        app.kill()
        away = client.get(f"/api/patients/?search={SOUGHT}")
        row.require(SOUGHT not in nginx.log.read_text(), "nginx logged what somebody searched for")
        row.require(away.promised_503, f"the app ended: {away.name} {away.body!r}")
        row.require(not app.errors(), f"{len(app.errors())} answers were 500")
        row.sent = (
            f"{SLOW_CLIENTS} half bodies; 5 reads, 5 log-ins; one in clear; 1 MB and more; a read with the app ended"
        )
        row.answered = (
            "; ".join(f"{name} {alone[name] * 1000:.0f} ms alone, {beside[name] * 1000:.0f} beside" for name in alone)
            + f"; {tally([clear, large, away])}"
        )


def refused_by_nginx(world, row, kind):
    """nginx refuses a request by itself.

    TRACE, an unknown Transfer-Encoding, a body over 1 MB, malformed and oversized requests, on both of its ports;
    plain HTTP on the port of TLS. Every answer is JSON; nginx logs none of it. The project gets the host with its port.
    """
    with world.app(kind, TRUSTED_PROXIES="1") as app, Nginx(world, app.port) as nginx:
        client, answers = user(nginx.port, tls=True), []
        for port, tls in ((nginx.plain_port, False), (nginx.port, True)):
            for request, status in REFUSED.items():
                answers.append((raw(port, tls, request), status))
        answers.append((raw(nginx.port, False, "GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 403))
        answers.append((raw(nginx.port, False, [*REFUSED][2]), 403))
        for (got, body), status in answers:
            row.require(got == status, f"{got} instead of {status}: {body[:100]}")
            row.require(is_detail(body), f"not JSON: {body[:100]}")
        for number in range(2):
            must(client.post("/api/patients/", patient(number)), 201)
        host = f"localhost:{nginx.port}"
        link = client.get("/api/patients/?limit=1", Host=host).headers["Link"]
        row.require(f"https://{host}/" in link, f"Link: {link}")
        row.require(SOUGHT not in nginx.log.read_text(), "nginx logged a request")
        row.sent = f"{len(answers)} requests"
        row.answered = ", ".join(
            f"{status} x{times}" for status, times in sorted(Counter(got for (got, _), _ in answers).items())
        )


def raw(port, tls, request):
    """Send a request; return the status and the body of the answer."""
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


def served(row, client):
    """Return the median seconds of a read and of a log-in; none may hang."""
    seconds = {}
    for name, call in {
        "read": lambda: client.get("/api/patients/"),
        "log-in": lambda: client.post("/api/auth/login/", client.account),
    }.items():
        answers = [call() for _ in range(5)]
        row.require(all(answer.status == 200 for answer in answers), f"a {name} was answered {tally(answers)}")
        slowest = max(answer.seconds for answer in answers)
        row.require(slowest < HUNG_SECONDS, f"a {name} took {slowest:.1f} s")
        seconds[name] = statistics.median(answer.seconds for answer in answers)
    return seconds


def half_a_request(port, token):
    context = ssl._create_unverified_context()  # the certificate is made for the run
    plain = socket.create_connection(("127.0.0.1", port), source_address=(ANOTHER_ADDRESS, 0))
    connection = context.wrap_socket(plain, server_hostname="localhost")
    connection.sendall(HALF_A_REQUEST.format(token=token).encode())
    return connection
