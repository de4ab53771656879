"""`POST /api/patients/import/`: the patients of a CSV, each line by the rules of a POST."""

import csv
from contextlib import nullcontext
from functools import partial
from io import StringIO

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conftest import PATIENT
from patients import imports
from patients.models import Patient
from patients.tests.files import ALICE, BOB, HEADER, names
from patients.tests.pages import PATIENTS

IMPORT = reverse("patients-import")
NOT_UTF8 = 'The body is not UTF-8. In Excel, choose File, Save As and the type "CSV UTF-8 (Comma delimited)".'


def post(client, *lines, content=None, **headers):
    raw = "\n".join(lines).encode() if content is None else content
    return client.post(IMPORT, raw=raw, **{"content_type": "text/csv", **headers})


def result(created, refused=(), ignored_columns=()):
    return {"created": created, "refused": list(refused), "ignored_columns": list(ignored_columns)}


def many(numbers):
    return [HEADER, *(f"Patient {number},30,male,{number + 10**7},," for number in numbers)]


# What is stored


def test_imported_patients_are_the_callers_as_if_posted(owner, stranger):
    response = post(owner, HEADER, ALICE, BOB)

    alice, bob = owner.get(PATIENTS).json()
    assert (response.status_code, response.json()) == (200, result(2))
    assert {name: alice[name] for name in PATIENT} == PATIENT
    assert (bob["name"], bob["phone"], bob["user"]) == ("Bob Jones", "+44207946", owner.user.pk)
    assert stranger.get(PATIENTS).json() == []


def test_an_imported_patient_has_the_history_of_a_posted_one(owner):
    post(owner, HEADER, ALICE)

    (version,) = owner.get(reverse("patients-history", args=[Patient.objects.get().pk])).json()
    assert (version["action"], version["by"]) == ("created", owner.user.pk)
    assert version["changes"] == [{"field": name, "old": None, "new": value} for name, value in PATIENT.items()]


@pytest.mark.parametrize("content_type", ["text/csv", "Text/CSV; charset=utf-8; header=present"])
@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{ALICE}".encode("utf-8-sig"),
        f"{HEADER}\r\n{ALICE}\r\n".replace(",", "\t").encode("utf-16"),
        f"sep=;\r\n{HEADER}\n{ALICE}".replace(",", ";").encode(),
    ],
)
def test_a_body_is_read_as_spreadsheets_write_it(owner, content, content_type):
    response = post(owner, content=content, content_type=content_type)

    assert response.json() == result(1)
    assert Patient.objects.values(*PATIENT).get() == PATIENT


def test_the_csv_of_a_list_can_be_imported(owner, stranger):
    for number, text in enumerate(["=1+1", "'=x", "ünï"]):
        own = {"name": text, "phone": f"+1234567{number}", "address": f'=a\n{text}, "b" '}
        Patient.objects.create(user=owner.user, **{**PATIENT, **own})

    response = post(stranger, content=owner.get(f"{PATIENTS}?format=csv").content)

    before, after = (user.patients.order_by("phone").values_list(*PATIENT) for user in (owner.user, stranger.user))
    assert response.json() == result(3, ignored_columns=["id", "created_at", "user"])
    assert list(after) == list(before)


# What is refused


def test_lines_that_break_a_rule_are_refused_and_the_others_stored(owner):
    response = post(
        owner,
        HEADER,
        'Ann,30,female,1234567,"two\nlines",',
        "Bea,x,robot,1234567,,",
        "Cid,1,M,,,,x",
        BOB,
        "D\0d,1,M,,,",
    )

    posted = owner.post(PATIENTS, {"name": "Bea", "age": "x", "gender": "robot", "phone": "1234567"}).json()
    nul = owner.post(PATIENTS, {"name": "D\0d", "age": 1, "gender": "M"}).json()
    assert response.json() == result(
        2,
        [
            {"line": 4, "errors": posted},
            {"line": 5, "errors": {"row": ["7 cells, but 6 columns."]}},
            {"line": 7, "errors": nul},
        ],
    )
    assert names() == ["Ann", "Bob Jones"]


@pytest.mark.parametrize("line", [ALICE, "Twin,3,F,,,"])
def test_a_patient_who_is_there_or_twice_in_the_file_is_refused_as_by_a_post(owner, line):
    row = dict(zip(HEADER.split(","), line.split(","), strict=True))
    first = post(owner, HEADER, line.lower(), BOB, line, line.lower())
    again = post(owner, HEADER, line, "Cid,x,F,,,", BOB)

    (message,) = owner.post(PATIENTS, row).json()["non_field_errors"]
    taken = {"non_field_errors": [message]}
    age = {"age": ["Must be a whole number from 0 to 150."]}
    assert message.startswith("This patient exists already: ")
    assert first.json() == result(2, [{"line": 4, "errors": taken}, {"line": 5, "errors": taken}])
    assert [(refusal["line"], list(refusal["errors"])) for refusal in again.json()["refused"]] == [
        (2, ["non_field_errors"]),
        (3, ["age"]),
        (4, ["non_field_errors"]),
    ]
    assert again.json()["refused"][1]["errors"] == age
    assert (Patient.objects.count(), Patient.history.count()) == (2, 2)


def test_a_patient_of_another_user_is_not_in_the_way(owner, patient, stranger):
    assert post(stranger, HEADER, ALICE).json() == result(1)


def test_unknown_columns_are_named_or_refused_if_the_client_prefers_that(owner):
    lines = ["id,adress," + HEADER, f"7,x,{ALICE}"]

    strict = post(owner, *lines, Prefer="handling=strict")
    lenient = post(owner, *lines)

    assert (strict.status_code, list(strict.json())) == (400, ["adress"])
    assert strict.json()["adress"][0].startswith("Unknown column. Allowed: id, name, age,")
    assert lenient.json() == result(1, ignored_columns=["id", "adress"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The body is empty."),
        (b"\n\n", "The body is empty."),
        (b'{"name": "Ann"}', "The body has no column name, age, gender. The first line must contain the column names."),
        (b"name,age\nx,3", "The body has no column gender. The first line must contain the column names."),
        (f"{HEADER},Age\n{ALICE},3".encode(), "The body has a duplicate column: age."),
        (b"name" + b",x" * 40_000, "The body has more than 50 columns."),
        (
            f"{HEADER}\n{ALICE}\n{BOB}".encode() + b"\n" * 11_000,
            "The body has more than 10,000 blank rows: delete them.",
        ),
        (f"{HEADER}\n{ALICE}".encode() + b"\n,, ,," * 11_000, "The body has more than 10,000 blank rows: delete them."),
        (b"\n" * 11_000 + HEADER.encode(), "The body has more than 10,000 blank rows: delete them."),
        (f"{HEADER}\n{ALICE}\nÉmile,{BOB}".encode("cp1252"), NOT_UTF8),
        (f"{HEADER}\n{ALICE}".encode("utf-16-le"), NOT_UTF8),
        (b"\0\0\0\0", NOT_UTF8),
        (bytes(range(256)) * 9, NOT_UTF8),
        (b"PK\x03\x04\x14\x00", "The body is an XLSX file, not CSV."),
        (f'{HEADER}\n{ALICE}\n"{BOB}'.encode(), 'The body is not valid CSV at line 3: a quotation mark (")'),
    ],
)
def test_a_body_that_is_no_csv_of_patients_is_refused_as_a_whole(owner, content, sentence):
    response = post(owner, content=content)

    assert response.status_code == 400
    assert response.json()["detail"].startswith(sentence)
    assert not Patient.objects.exists()


def test_an_import_has_a_limit_of_rows(owner, monkeypatch):
    monkeypatch.setattr(imports, "ROW_LIMIT", 3)
    monkeypatch.setattr(imports, "BATCH", 2)

    answers = [post(owner, *many(range(number))) for number in (4, 3)]

    assert answers[0].json() == {"detail": "The body has more than 3 rows: send them in several requests."}
    assert answers[1].json() == result(3)


def test_any_number_of_blank_rows_may_be_between_the_others(owner, monkeypatch):
    monkeypatch.setattr("healthcare.tables.BLANK_LIMIT", 3)

    response = post(owner, "\n\n", "\n\n".join(many(range(9))))

    assert response.json() == result(9)


def test_a_body_of_another_type_or_size_is_refused(owner, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 200

    json = owner.post(IMPORT, PATIENT)
    large = post(owner, *many(range(10)))

    assert json.status_code == 415
    assert json.json()["detail"].endswith("Send CSV, with the header Content-Type: text/csv.")
    assert (large.status_code, large.json()) == (413, {"detail": "The body is larger than 200 bytes."})
    assert not Patient.objects.exists()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_import_is_a_post(owner, method):
    response = owner.request(method, IMPORT)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_an_import_takes_no_query(owner):
    assert owner.post(f"{IMPORT}?format=csv", raw=b"x", content_type="text/csv").status_code == 400


def test_nobody_imports_without_logging_in(anonymous):
    assert post(anonymous, HEADER, ALICE).status_code == 401
    assert not Patient.objects.exists()


# Many rows, and many requests


def test_every_stored_patient_is_logged(owner, monkeypatch, caplog):
    caplog.set_level("INFO", "healthcare")
    monkeypatch.setattr(imports, "BATCH", 2)
    monkeypatch.setattr("patients.views.BATCH", 2)

    response = post(owner, *many(range(5)))

    lines = [record.data for record in caplog.records if getattr(record, "data", {}).get("ids")]
    assert {line["request_id"] for line in lines} == {response.headers["X-Request-ID"]}
    assert max(len(line["ids"]) for line in lines) == 2
    assert sorted(pk for line in lines for pk in line["ids"]) == list(Patient.objects.values_list("pk", flat=True))


def test_an_import_that_fails_half_way_stores_nothing(owner, monkeypatch):
    monkeypatch.setattr(imports, "BATCH", 2)
    add, batches = imports.add, []

    def failing(patients, user):
        batches.append(patients)
        add(patients, user)
        assert len(batches) < 2

    monkeypatch.setattr(imports, "add", failing)

    response = post(owner, *many(range(5)))

    assert (response.status_code, len(batches)) == (500, 2)
    assert (Patient.objects.count(), Patient.history.count()) == (0, 0)


def test_the_queries_of_an_import_do_not_grow_with_its_rows(owner):
    counted = []

    for numbers in (range(2), range(2, 60)):
        with CaptureQueriesContext(connection) as queries:
            post(owner, *many(numbers))
        counted.append(len(queries))

    assert Patient.history.count() == 60
    assert counted[0] == counted[1]


def test_an_import_beside_another_is_refused_before_it_is_read(owner, stranger):
    with imports.exclusive():
        answers = [post(user, HEADER, '"') for user in (owner, stranger)]
        others = owner.get(PATIENTS)

    assert {answer.status_code for answer in answers} == {503}
    assert all(2 <= int(answer.headers["Retry-After"]) <= 8 for answer in answers)
    assert answers[0].json() == {"detail": "The server is busy with another import. Try again in a few seconds."}
    assert others.status_code == 200


def test_an_import_that_ends_in_any_way_admits_the_next(owner, monkeypatch):
    unreadable = post(owner, HEADER, '"')
    unknown = post(owner, f"x,{HEADER}", Prefer="handling=strict")
    with monkeypatch.context() as patch:
        patch.setattr(imports, "add", None)
        failed = post(owner, HEADER, ALICE)

    assert [unreadable.status_code, unknown.status_code, failed.status_code] == [400, 400, 500]
    assert [post(owner, HEADER, row).json() for row in (ALICE, BOB)] == [result(1)] * 2


def test_concurrent_imports_of_one_file_add_each_patient_once(owner, race, monkeypatch):
    # As in several processes.
    monkeypatch.setattr("patients.views.exclusive", nullcontext)
    monkeypatch.setattr(imports, "BATCH", 10)
    numbers = range(60)

    answers = race(*[partial(post, owner, *many(order)) for order in (numbers, numbers[::-1], numbers)])

    assert [answer.status_code for answer in answers] == [200] * 3
    assert sum(answer.json()["created"] for answer in answers) == Patient.objects.count() == 60
    assert [answer.json()["created"] + len(answer.json()["refused"]) for answer in answers] == [60] * 3
    assert Patient.history.values("id").distinct().count() == Patient.history.count() == 60


def test_an_import_beside_a_post_of_the_same_patient_adds_it_once(owner, race):
    imported, posted = race(partial(post, owner, HEADER, BOB, ALICE), partial(owner.post, PATIENTS, PATIENT))

    stored = (imported.json()["created"], posted.status_code)
    assert stored in {(2, 400), (1, 201)}
    assert (Patient.objects.count(), Patient.history.count()) == (2, 2)


def test_the_sample_of_the_command_is_imported(owner, settings):
    content = (settings.BASE_DIR / "samples" / "patients.csv").read_bytes()

    response = post(owner, content=content)

    rows = list(csv.DictReader(StringIO(content.decode(), newline="")))
    assert response.json() == result(len(rows))
