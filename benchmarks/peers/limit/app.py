"""No framework: a regular expression, psycopg2, PyJWT, orjson. Fast, but not maintainable."""
# ruff: noqa: S608, only column names of this file are interpolated; values are parameters

import hashlib
import os
import re
import secrets
import threading
import time
from urllib.parse import parse_qs

import argon2
import jwt
import orjson
import psycopg2

from benchmarks.peers import cursors, rules

KEY = os.environ["SECRET_KEY"]
COLUMNS = ("id", "name", "age", "gender", "phone", "address", "email", "created_at", "user")
SELECTED = "id, name, age, gender, phone, address, email, created_at, user_id"
DOCTOR = ("id", "name", "age", "gender", "specialization", "email", "phone", "address", "created_at", "user")
RULES = {"name": rules.line, "age": rules.age, "gender": rules.gender}
OPTIONAL = {"phone": rules.phone, "address": rules.address, "email": rules.email}
STATUS = {200: "200 OK", 201: "201 Created", 400: "400 Bad Request", 401: "401 Unauthorized", 404: "404 Not Found"}
BEARER = [("WWW-Authenticate", 'Bearer realm="api"')]
thread = threading.local()


class Refused(Exception):  # noqa: N818, a response, not an error
    def __init__(self, status, body, headers=()):
        self.status, self.body, self.headers = status, body, list(headers)


def unauthorized(detail):
    return Refused(401, {"detail": detail}, BEARER)


def rows(sql, *values):
    cursor = getattr(thread, "cursor", None)
    if cursor is None:
        connection = psycopg2.connect(
            dbname=os.environ["DB_NAME"],
            user=os.environ["DB_USER"],
            password=os.environ["DB_PASSWORD"],
            host=os.environ["DB_HOST"],
            port=os.environ["DB_PORT"],
        )
        connection.autocommit = True
        cursor = thread.cursor = connection.cursor()
    try:
        cursor.execute(sql, values)
    except psycopg2.errors.UniqueViolation:
        raise Refused(400, {"non_field_errors": ["This exists already."]}) from None
    return cursor.fetchall()


# Authentication


def user_of(environ):
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme != "Bearer":
        raise unauthorized("Authentication credentials were not provided.")
    try:
        claims = jwt.decode(token, KEY, ["HS256"])
    except jwt.InvalidTokenError:
        raise unauthorized("Token is invalid.") from None
    if claims["exp"] <= time.time() or claims.get("token_type") != "access":
        raise unauthorized("Token is expired or not an access token.")
    found = rows("SELECT id, password, is_active FROM accounts_user WHERE id = %s", int(claims["user_id"]))
    if not found or not found[0][2] or claims.get("hash_password") != md5(found[0][1]):
        raise unauthorized("The account is gone, deactivated, or has another password.")
    return found[0][0]


def md5(password):
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest().upper()


def login(environ):
    body = json_of(environ)
    email, password = body.get("email"), body.get("password")
    missing = {
        name: ["This field is required."] for name in ("email", "password") if not isinstance(body.get(name), str)
    }
    if missing:
        raise Refused(400, missing)
    sql = "SELECT id, password, is_active FROM accounts_user WHERE lower(email) = lower(%s)"
    for user, kept, active in rows(sql, email):
        try:
            rules.HASHER.verify(kept.removeprefix("argon2"), password)
        except argon2.exceptions.VerifyMismatchError:
            break
        if active:
            return (
                200,
                {"access": issue("access", user, kept, 900), "refresh": issue("refresh", user, kept, 604_800)},
                [],
            )
    raise unauthorized("No active account with this e-mail and password.")


def issue(kind, user, password, seconds):
    now = int(time.time())
    claims = {"token_type": kind, "exp": now + seconds, "iat": now, "jti": secrets.token_hex(16), "user_id": str(user)}
    return jwt.encode({**claims, "hash_password": md5(password)}, KEY, "HS256")


# Requests


def json_of(environ):
    try:
        body = orjson.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    except orjson.JSONDecodeError as error:
        raise Refused(400, {"detail": f"The body is not JSON: {error}."}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"non_field_errors": ["Expected an object."]})
    return body


def patient_of(environ):
    body, values, errors = json_of(environ), {}, {}
    for name, rule in (RULES | OPTIONAL).items():
        if name not in body:
            if name in RULES:
                errors[name] = ["This field is required."]
            continue
        try:
            values[name] = rule(body[name])
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Refused(400, errors)
    return values


def represent(columns, row):
    return dict(zip(columns, row, strict=True))


# Responses


def patients(environ, user):
    query = parse_qs(environ["QUERY_STRING"])
    if "limit" not in query:
        found = rows(f"SELECT {SELECTED} FROM patients_patient WHERE user_id = %s ORDER BY id", user)
        return 200, [represent(COLUMNS, row) for row in found], []
    try:
        limit, after = cursors.after(query["limit"][0], query.get("cursor", [None])[0])
    except ValueError as error:
        raise Refused(400, {"limit": [str(error)]}) from None
    sql = f"SELECT {SELECTED} FROM patients_patient WHERE user_id = %s AND id > %s ORDER BY id LIMIT %s"
    found = rows(sql, user, after, limit + 1)
    page, url = found[:limit], f"https://{environ['HTTP_HOST']}{environ['PATH_INFO']}"
    return (
        200,
        [represent(COLUMNS, row) for row in page],
        ([("Link", cursors.link(url, limit, page[-1][0]))] if len(found) > limit else []),
    )


def patient(environ, user, pk):
    found = rows(f"SELECT {SELECTED} FROM patients_patient WHERE user_id = %s AND id = %s", user, pk)
    return 200, represent(COLUMNS, one(found)), []


def one(found):
    if not found:
        raise Refused(404, {"detail": "Not found."})
    return found[0]


INSERT = f"""
    INSERT INTO patients_patient (name, age, gender, phone, address, email, created_at, user_id)
    VALUES (%s, %s, %s, %s, %s, %s, now(), %s) RETURNING {SELECTED}
"""
# One statement, and so one transaction, for the record and its first version.
INSERT_WITH_HISTORY = f"""
    WITH made AS ({INSERT}), version AS (
        INSERT INTO patients_historicalpatient ({SELECTED}, history_date, history_type, history_user_id)
        SELECT {SELECTED}, now(), '+', user_id FROM made
    ) SELECT {SELECTED} FROM made
"""


def create(environ, user):
    body = {"phone": "", "address": "", "email": "", **patient_of(environ)}
    sql = INSERT_WITH_HISTORY if environ["QUERY_STRING"] == "history=1" else INSERT
    found = rows(sql, *(body[name] for name in COLUMNS[1:7]), user)
    return 201, represent(COLUMNS, found[0]), []


def update(environ, user, pk):
    body = patient_of(environ)
    columns = ", ".join(f"{name} = %s" for name in body)
    sql = f"UPDATE patients_patient SET {columns} WHERE user_id = %s AND id = %s RETURNING {SELECTED}"
    return 200, represent(COLUMNS, one(rows(sql, *body.values(), user, pk))), []


def delete(environ, user, pk):
    one(
        rows(
            """
            WITH own AS (SELECT id FROM patients_patient WHERE user_id = %s AND id = %s FOR UPDATE),
            gone AS (DELETE FROM mappings_mapping USING own WHERE patient_id = own.id)
            DELETE FROM patients_patient USING own WHERE patients_patient.id = own.id RETURNING own.id
            """,
            user,
            pk,
        )
    )
    return 200, {"detail": "Patient deleted."}, []


def doctors(environ, user, pk):
    columns = ", ".join(f"doctor.{name}" for name in (*DOCTOR[:-1], "user_id"))
    found = rows(
        f"""
        SELECT {columns}, mapping.id, mapping.assigned_at FROM mappings_mapping mapping
        JOIN doctors_doctor doctor ON doctor.id = mapping.doctor_id
        JOIN patients_patient patient ON patient.id = mapping.patient_id
        WHERE patient.id = %s AND patient.user_id = %s ORDER BY mapping.id
        """,
        pk,
        user,
    )
    if not found:
        one(rows("SELECT id FROM patients_patient WHERE id = %s AND user_id = %s", pk, user))
    return 200, [represent((*DOCTOR, "mapping_id", "assigned_at"), row) for row in found], []


def assign(environ, user):
    body, errors = json_of(environ), {}
    for name in ("patient", "doctor"):
        if type(body.get(name)) is not int:
            errors[name] = ["A valid integer is required."]
    if errors:
        raise Refused(400, errors)
    sql = """SELECT EXISTS (SELECT FROM doctors_doctor WHERE id = %s)
             FROM patients_patient WHERE id = %s AND user_id = %s"""
    found = rows(sql, body["doctor"], body["patient"], user)
    if not found or not found[0][0]:
        raise Refused(400, {"doctor" if found else "patient": ["There is none."]})
    sql = """INSERT INTO mappings_mapping (patient_id, doctor_id, user_id, assigned_at) VALUES (%s, %s, %s, now())
             RETURNING id, assigned_at, patient_id, doctor_id, user_id"""
    made = rows(sql, body["patient"], body["doctor"], user)
    return 201, represent(("id", "assigned_at", "patient", "doctor", "user"), made[0]), []


ROUTE = re.compile(r"/api/(patients|mappings)/(?:([0-9]{1,18})/)?$")
VIEWS = {
    ("GET", "patients", False): patients,
    ("POST", "patients", False): create,
    ("GET", "patients", True): patient,
    ("PUT", "patients", True): update,
    ("DELETE", "patients", True): delete,
    ("GET", "mappings", True): doctors,
    ("POST", "mappings", False): assign,
}


def answer(environ):
    if environ["PATH_INFO"] == "/api/auth/login/":
        return login(environ)
    route = ROUTE.match(environ["PATH_INFO"])
    view = route and VIEWS.get((environ["REQUEST_METHOD"], route[1], route[2] is not None))
    if not view:
        raise Refused(404, {"detail": "Not found."})
    user = user_of(environ)
    return view(environ, user, int(route[2])) if route[2] else view(environ, user)


def application(environ, start_response):
    try:
        status, body, headers = answer(environ)
    except Refused as refused:
        status, body, headers = refused.status, refused.body, refused.headers
    body = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    length = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(STATUS[status], length + headers)
    return [body]
