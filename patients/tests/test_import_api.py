"""`POST /api/patients/import/`: the patients of a CSV, each line by the rules of a POST."""

import csv
from io import StringIO

import pytest
from django.urls import reverse

from conftest import PATIENT
from patients import imports
from patients.models import Patient
from patients.tests.files import ALICE, BOB, HEADER, names
from patients.tests.importing import IMPORT, many, post, result
from patients.tests.pages import PATIENTS

NOT_UTF8 = 'The body is not UTF-8. In Excel, choose File, Save As and the type "CSV UTF-8 (Comma delimited)".'


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


def test_the_sample_of_the_command_is_imported(owner, settings):
    content = (settings.BASE_DIR / "samples" / "patients.csv").read_bytes()

    response = post(owner, content=content)

    rows = list(csv.DictReader(StringIO(content.decode(), newline="")))
    assert response.json() == result(len(rows))


@pytest.mark.parametrize("line", ['sep="', "sep=", "sep= "])
def test_a_separator_line_without_a_separator_is_refused(owner, line):
    response = post(owner, line, HEADER, ALICE)

    assert response.status_code == 400
    assert not Patient.objects.exists()
