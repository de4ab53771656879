"""POST /api/auth/register/."""

import pytest
from django.contrib.auth import get_user_model

User = get_user_model()
REGISTER, LOGIN = "/api/auth/register/", "/api/auth/login/"
JOHN = {"name": "John Doe", "email": "john@example.com", "password": "password123"}
TAKEN = {"email": ["A user with this e-mail already exists."]}
INVALID_EMAIL = "Enter a valid email address, such as name@example.com."
LONG_EMAIL = f"{'x' * 60}@{'y' * 60}.{'z' * 60}.{'w' * 60}.{'v' * 20}.com"
CONTROL = "Control characters, such as tabs and line ends, are not allowed."
REQUIRED, BLANK = ["This field is required."], ["This field may not be blank."]


def test_the_example_of_the_specification_registers_a_user(anonymous):
    response = anonymous.post(REGISTER, JOHN)

    user = User.objects.get()
    assert response.status_code == 201
    assert list(response.json().items()) == [("id", user.pk), ("name", "John Doe"), ("email", "john@example.com")]
    assert response.headers["Location"] == "/api/auth/me/"
    assert (user.name, user.email) == ("John Doe", "john@example.com")
    assert user.check_password("password123")


@pytest.mark.argon2
def test_the_password_is_stored_as_an_argon2_hash(anonymous):
    anonymous.post(REGISTER, JOHN)

    assert User.objects.get().password.startswith("argon2$argon2id$")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("john@example.com", "john@example.com"),
        ("john@example.com", "JOHN@Example.COM"),
        ("john@exämple.com", "John@EXÄMPLE.com"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_an_email_is_unique_without_regard_to_case(anonymous, first, second):
    assert anonymous.post(REGISTER, JOHN | {"email": first}).status_code == 201

    response = anonymous.post(REGISTER, JOHN | {"name": "Jane Doe", "email": second})

    assert (response.status_code, response.json()) == (400, TAKEN)
    assert list(User.objects.values_list("name", "email")) == [("John Doe", first)]


@pytest.mark.parametrize("email", ["John.DOE@Example.COM", "john@exämple.com", "john@İstanbul.com"])
def test_an_email_is_stored_as_sent_and_can_log_in(anonymous, email):
    response = anonymous.post(REGISTER, JOHN | {"email": email})

    assert (response.status_code, response.json()["email"]) == (201, email)
    assert anonymous.post(LOGIN, {"email": email, "password": JOHN["password"]}).status_code == 200


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"name": ""}, {"name": BLANK}),
        ({"name": "   "}, {"name": BLANK}),
        ({"name": "\u200b"}, {"name": BLANK}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": 7}, {"name": ["Not a valid string: send a JSON string in double quotes."]}),
        ({"name": ["John"]}, {"name": ["Not a valid string: send a JSON string in double quotes."]}),
        ({"name": "x" * 101}, {"name": ["Ensure this field has no more than 100 characters."]}),
        ({"name": "John\nDoe"}, {"name": [CONTROL]}),
        ({"name": "John\0Doe"}, {"name": [CONTROL, "Null characters are not allowed."]}),
        ({"email": ""}, {"email": BLANK}),
        ({"email": "john"}, {"email": [INVALID_EMAIL]}),
        ({"email": "john@example.com\0"}, {"email": ["Null characters are not allowed.", INVALID_EMAIL]}),
        ({"email": LONG_EMAIL}, {"email": ["Ensure this field has no more than 254 characters."]}),
        ({"email": True}, {"email": [INVALID_EMAIL]}),
        ({"password": ""}, {"password": BLANK}),
        ({"password": 12345678}, {"password": ["Not a valid string: send a JSON string in double quotes."]}),
        ({"password": "seven77"}, {"password": ["This password is too short. It must contain at least 8 characters."]}),
        ({"password": "x" * 129}, {"password": ["Ensure this field has no more than 128 characters."]}),
        ({"password": "8273645190"}, {"password": ["This password is entirely numeric."]}),
        ({"password": "john doe"}, {"password": ["The password is too similar to the name."]}),
        ({"password": "john@example.com"}, {"password": ["The password is too similar to the e-mail."]}),
    ],
)  # fmt: skip
def test_an_invalid_value_is_refused_on_its_field(anonymous, change, errors):
    response = anonymous.post(REGISTER, JOHN | change)

    assert (response.status_code, response.json()) == (400, errors)
    assert not User.objects.exists()


@pytest.mark.parametrize("field", JOHN)
def test_every_field_is_required(anonymous, field):
    response = anonymous.post(REGISTER, {key: value for key, value in JOHN.items() if key != field})

    assert (response.status_code, response.json()) == (400, {field: REQUIRED})
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["eight 88", "x" * 128, "  both ends  ", "pässwörter", "日本語のパスワード"])
def test_a_password_is_used_unchanged(anonymous, password):
    response = anonymous.post(REGISTER, JOHN | {"password": password})

    assert response.status_code == 201
    assert anonymous.post(LOGIN, {"email": JOHN["email"], "password": password}).status_code == 200
    if password != password.strip():
        assert anonymous.post(LOGIN, {"email": JOHN["email"], "password": password.strip()}).status_code == 401


def test_nobody_registers_with_privileges(anonymous):
    wanted = {"id": 99, "pk": 99, "is_staff": True, "is_superuser": True, "is_active": False, "groups": [1]}

    response = anonymous.post(REGISTER, JOHN | wanted)

    user = User.objects.get()
    assert (response.status_code, response.json().keys()) == (201, {"id", "name", "email"})
    assert user.pk == response.json()["id"] != 99
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)


@pytest.mark.parametrize("header", ["Bearer", "Bearer x.y.z", "Basic am9objpkb2U=", "Bearer \xff", "x" * 5000])
def test_a_bad_authorization_header_changes_nothing(anonymous, header):
    registered = anonymous.post(REGISTER, JOHN, Authorization=header)
    logged_in = anonymous.post(LOGIN, JOHN, Authorization=header)

    assert (registered.status_code, logged_in.status_code) == (201, 200)


def test_only_one_of_eight_racing_registrations_succeeds(race, anonymous):
    emails = ["john@example.com", "JOHN@example.com"] * 4

    responses = race(*(lambda email=email: anonymous.post(REGISTER, JOHN | {"email": email}) for email in emails))

    assert sorted(response.status_code for response in responses) == [201] + [400] * 7
    assert all(response.json() == TAKEN for response in responses if response.status_code == 400)
    assert User.objects.count() == 1


def test_while_registration_is_closed_nobody_registers(anonymous, settings):
    settings.REGISTRATION_OPEN = False

    response = anonymous.post(REGISTER, JOHN)

    assert response.status_code == 403
    assert response.json() == {"detail": "Registration is closed. Ask an administrator for an account."}
    assert not User.objects.exists()
