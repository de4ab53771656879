"""The files of deploy/cluster are consistent; `make cluster-faults` runs them."""

import re
import subprocess

from django.conf import settings

DEPLOY = settings.BASE_DIR / "deploy"


def test_nginx_passes_on_to_haproxy_of_both_app_machines():
    command = ["sed", "-f", DEPLOY / "cluster/nginx.sed", DEPLOY / "nginx.conf"]

    configuration = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603

    assert re.findall(r"^ *server ([\d.:]+)", configuration, re.MULTILINE) == ["10.0.0.21:8001", "10.0.0.22:8001"]


def test_every_variable_of_an_app_machine_is_in_the_example():
    known = set(re.findall(r"^#([A-Z_]+)=", (settings.BASE_DIR / ".env.example").read_text(), re.MULTILINE))
    used = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "cluster/app.env").read_text(), re.MULTILINE))

    assert used - known <= {"HOST", "PORT", "WORKERS"}


def test_haproxy_answers_a_503_as_the_api_does():
    head, _, body = (DEPLOY / "cluster/unavailable.http").read_bytes().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 2\r\n" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.startswith(b'{"detail":"')


def test_haproxy_gives_up_after_the_app_and_before_the_longest_answer_allowed():
    (timeout,) = re.findall(r"^    timeout server (\d+)s$", (DEPLOY / "cluster/haproxy.cfg").read_text(), re.MULTILINE)
    (database,) = re.findall(r"^DB_TIMEOUT=(\d+)$", (DEPLOY / "cluster/app.env").read_text(), re.MULTILINE)

    assert int(database) < int(timeout) < 10
