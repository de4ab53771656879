"""Compare the responses of all servers, so that no server is faster because it does less.

Successful responses are compared byte by byte, except for new ids and timestamps; log-in responses by their keys;
errors by status and keys, as their messages differ. No number is sent as a name, because DRF converts it to text.
"""

import json
import re
from datetime import UTC, datetime

from benchmarks import seed

PATIENT = {
    "name": "  Alice Smith ",
    "age": "30",
    "gender": "Female",
    "phone": "(987) 654-3210",
    "address": "street 123\n2nd floor ",
    "email": "aliceS@gmail.com",
}
PATIENTS, MAPPINGS = "/api/patients/", "/api/mappings/"
WRITERS_PATIENT = f"{PATIENTS}{seed.WRITERS[0]}/"
GENERATED = re.compile(rb'"id":\d+|"(?:created_at|assigned_at)":"[^"]*"')


def probes():
    """Yield (method, path, token, body) of every compared request, in order."""
    few, writer = seed.token(seed.FEW), seed.token(seed.WRITER)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    bad_tokens = [
        "",
        "nonsense",
        f"{few[:-4]}AAAA",
        seed.token(seed.FEW, token_type="refresh"),  # noqa: S106, the kind of token, not a password
        seed.token(seed.FEW, exp=long_ago),
        seed.token(seed.FEW, hash_password="0" * 32),
        seed.token(999_999),
    ]
    bad_values = {
        "name": ["", "   ", "a" * 101, "a\u0007b", None],
        "age": [-1, 151, True, 30.5, "thirty", None, []],
        "gender": ["", "unsure", None],
        "phone": ["12345", "9876543210.0", "1" * 16, "123456789x", None],
        "address": ["a" * 1001, "a\u0007b", None],
        "email": ["nobody", "a@b", f"{'a' * 250}@b.example", None],
    }
    login = {"email": "user5@example.com", "password": seed.PASSWORD}
    yield from (
        ("POST", "/api/auth/login/", "", body)
        for body in (
            login,
            {**login, "email": "USER5@Example.com"},
            {**login, "password": "wrong"},
            {**login, "email": "nobody@example.com"},
            {"email": "user5@example.com"},
        )
    )
    yield from (("GET", f"{PATIENTS}1/", token, None) for token in bad_tokens)
    for path in (
        f"{PATIENTS}1/",
        f"{PATIENTS}101/",
        f"{PATIENTS}{10**17}/",
        PATIENTS,
        f"{PATIENTS}?limit=50",
        f"{PATIENTS}?limit=50&cursor=WzUwLDUwXQ",
        f"{PATIENTS}?limit=0",
        f"{PATIENTS}?limit=many",
        f"{MAPPINGS}1/",
        f"{MAPPINGS}101/",
    ):
        yield "GET", path, few, None
    yield "GET", f"{PATIENTS}?limit=50&cursor={cursor(seed.MANY_PATIENTS // 2)}", seed.token(seed.MANY), None
    yield "GET", f"{MAPPINGS}{seed.WRITERS[0]}/", writer, None
    for body in (
        PATIENT,
        PATIENT,
        {**PATIENT, "name": "ALICE smith"},
        {key: PATIENT[key] for key in ("name", "age", "gender")},
        {key: PATIENT[key] for key in ("name", "age", "gender")},
        {},
        [],
        *({**PATIENT, "phone": "9000000", name: value} for name, values in bad_values.items() for value in values),
    ):
        yield "POST", PATIENTS, writer, body
    yield "POST", PATIENTS, writer, "{"
    yield "PUT", WRITERS_PATIENT, writer, PATIENT | {"phone": "+441234567"}
    yield "GET", WRITERS_PATIENT, writer, None
    yield "PUT", WRITERS_PATIENT, writer, PATIENT
    yield "PUT", WRITERS_PATIENT, writer, {"name": "Alice"}
    yield "PUT", f"{PATIENTS}1/", writer, PATIENT
    for patient, doctor in ((0, 1), (0, 1), (0, 10**9), (1 - seed.WRITERS[0], 1), (0, "x")):
        yield "POST", MAPPINGS, writer, {"patient": seed.WRITERS[0] + patient, "doctor": doctor}
    yield "DELETE", f"{PATIENTS}1/", writer, None
    yield "DELETE", WRITERS_PATIENT, writer, None
    yield "DELETE", WRITERS_PATIENT, writer, None


def cursor(last_id):
    """Return the project's cursor for the page after `last_id`."""
    from benchmarks.peers.cursors import link

    return re.search(r"cursor=([^>]+)", link("", 1, last_id))[1]


def comparable_response(server, method, path, token, body):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sent = body if body is None or isinstance(body, str) else json.dumps(body)
    status, headers, answer = server.request(method, path, sent, headers)
    link = re.sub(r"^.*\?", "", headers.get("Link", ""))
    if status >= 400 or path == "/api/auth/login/":
        return status, sorted(json.loads(answer))
    return status, GENERATED.sub(b"", answer) if status == 201 else answer, link


def require_equal_responses(servers):
    """Return the number of compared requests; raise RuntimeError if a response differs from the first server's."""
    count, different = 0, []
    for probe in probes():
        expected, *others = (comparable_response(server, *probe) for server in servers)
        different += [
            f"{probe[0]} {probe[1]} {probe[3]}\n  {servers[0].name}: {expected!s:.400}\n  {server.name}: {other!s:.400}"
            for server, other in zip(servers[1:], others, strict=True)
            if other != expected
        ]
        count += 1
    if different:
        raise RuntimeError("the responses differ:\n" + "\n".join(different))
    return count
