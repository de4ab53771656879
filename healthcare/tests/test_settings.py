"""The settings from the environment: an invalid value stops the start with a message that names it."""

import pytest

from healthcare.tests.environment import DATABASE, KEY, URL, manage, python

MAIL = {"EMAIL_URL": "smtp://mail.example", "PASSWORD_RESET_URL": "https://clinic.example/reset?u={uid}&t={token}"}
LIVE = {"PRODUCTION": "True", "SECRET_KEY": KEY, "ALLOWED_HOSTS": "clinic.example"}

HOSTS = {
    "CORS_ALLOWED_ORIGINS": "https://a.example,http://[::1]:80",
    "ALLOWED_HOSTS": "*, api.example.com, .Example.org, 10.0.0.1, [2001:db8::1]",
    "CSRF_TRUSTED_ORIGINS": "https://*.example.com, http://localhost:8000",
}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"DEBUG": "True"},
        LIVE,
        LIVE | DATABASE,
        {"CORS_ALLOWED_ORIGINS": "https://a.example,http://[::1]:80"},
        HOSTS,
    ],
    ids=["local", "debug", "live", "all", "origins", "hosts"],
)
def test_a_valid_environment_starts(environ):
    process = manage("check", **environ)

    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (LIVE | {"SECRET_KEY": ""}, "SECRET_KEY is not set: PRODUCTION=True requires at least"),
        (LIVE | {"SECRET_KEY": KEY[:31]}, "SECRET_KEY is too short: 31 bytes, at least 32 are required."),
        ({"SECRET_KEY": KEY[:31]}, "SECRET_KEY is too short: 31 bytes, at least 32 are required."),
        (LIVE | {"SECRET_KEY": "x" * 64}, "SECRET_KEY is weak"),
        (LIVE | {"SECRET_KEY": f"django-insecure-{KEY}"}, "SECRET_KEY is weak"),
        (LIVE | {"DEBUG": "True"}, "DEBUG is True: PRODUCTION=True requires DEBUG=False."),
        (LIVE | {"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set: PRODUCTION=True requires the host names"),
        (
            LIVE | {"ALLOWED_HOSTS": "clinic.example, *"},
            "ALLOWED_HOSTS is '*': PRODUCTION=True requires the host names",
        ),
        ({"DOTENV": "/nowhere/.env"}, "DOTENV names no file: '/nowhere/.env'."),
        ({"PRODUCTION": "Ture"}, "PRODUCTION must be True or False, not 'ture'."),
        ({"DEBUG": "2"}, "DEBUG must be True or False, not '2'."),
        ({"DB_LIVE": "maybe"}, "DB_LIVE must be True or False, not 'maybe'."),
        ({"DB_TIMEOUT": "0"}, "DB_TIMEOUT must be a whole number of at least 1, not '0'."),
        ({"ACCESS_TOKEN_MINUTES": "15m"}, "ACCESS_TOKEN_MINUTES must be a whole number of at least 1, not '15m'."),
        ({"TRUSTED_PROXIES": "-1"}, "TRUSTED_PROXIES must be a whole number of at least 0, not '-1'."),
        (DATABASE | {"DB_NAME": ""}, "DB_NAME is not set: DB_LIVE=True requires the name of a PostgreSQL database."),
        (DATABASE | {"DB_USER": " "}, "DB_USER is not set: DB_LIVE=True requires a PostgreSQL user."),
        (DATABASE | {"DB_PORT": "postgres"}, "DB_PORT must be a whole number"),
        ({"REGISTRATION": "maybe"}, "REGISTRATION must be open or closed, not 'maybe'."),
        ({"EMAIL_URL": "mail.example"}, "EMAIL_URL must be like smtp://user:password@host:587?from="),
        ({"EMAIL_URL": f"smtp://u:{KEY}@h:x"}, "EMAIL_URL must be like smtp://user:password@host:587?from="),
        ({"EMAIL_URL": "smtp://h?ssl=1"}, "EMAIL_URL must be like smtp://user:password@host:587?from="),
        ({"EMAIL_URL": "smtp://h?tls=maybe"}, "EMAIL_URL must be like smtp://user:password@host:587?from="),
        ({"PASSWORD_RESET_URL": "https://a.example/{uid}"}, "PASSWORD_RESET_URL must be a web address with {uid} and"),
        ({"PASSWORD_RESET_URL": "a.example/{uid}/{token}"}, "PASSWORD_RESET_URL must be a web address with {uid} and"),
        ({"CACHE_URL": "localhost:6379"}, "CACHE_URL must be like redis://127.0.0.1:6379/0."),
        ({"CACHE_URL": f"redis://:{KEY}@localhost:x/0"}, "CACHE_URL must be like redis://127.0.0.1:6379/0."),
        (
            {"CORS_ALLOWED_ORIGINS": "*"},
            "CORS_ALLOWED_ORIGINS must list origins such as https://app.example.com, not '*'.",
        ),
        ({"CORS_ALLOWED_ORIGINS": "https://*.example.com"}, "CORS_ALLOWED_ORIGINS must list origins"),
        ({"CORS_ALLOWED_ORIGINS": "https://a.example, https://b.example/"}, "CORS_ALLOWED_ORIGINS must list origins"),
        ({"CORS_ALLOWED_ORIGINS": "app.example"}, "CORS_ALLOWED_ORIGINS must list origins"),
        ({"CORS_ALLOWED_ORIGINS": "null"}, "CORS_ALLOWED_ORIGINS must list origins"),
        ({"CSRF_TRUSTED_ORIGINS": "admin.example"}, "CSRF_TRUSTED_ORIGINS must list origins such as https://app"),
        ({"CSRF_TRUSTED_ORIGINS": "https://a.example/admin/"}, "CSRF_TRUSTED_ORIGINS must list origins"),
        ({"ALLOWED_HOSTS": "https://api.example.com"}, "ALLOWED_HOSTS must list host names such as api.example.com"),
        (LIVE | {"ALLOWED_HOSTS": "api.example.com:8000"}, "ALLOWED_HOSTS must list host names"),
        ({"ALLOWED_HOSTS": "api.example.com/"}, "ALLOWED_HOSTS must list host names"),
        ({"ALLOWED_HOSTS": "localhost ::1"}, "ALLOWED_HOSTS must list host names"),
        ({"ALLOWED_HOSTS": "localhost,::1"}, "ALLOWED_HOSTS must list host names"),
        ({"ALLOWED_HOSTS": "*.example.com"}, "ALLOWED_HOSTS must list host names"),
        (DATABASE | {"DB_SSLMODE": "required"}, "DB_SSLMODE must be one of disable, allow, prefer, require, verify-ca"),
        *(
            (DATABASE | {"DATABASE_URL": url}, "DATABASE_URL must start with postgresql://")
            for url in (
                "mysql://u:p@localhost/d",
                "localhost:5432/d",
                f"'postgresql://u:{KEY}@localhost/d'",
                f"postgresql://u:{KEY}#1@localhost/d",
                f"postgresql://u:1#{KEY}@localhost/d",
                f"postgresql://u:{KEY}/1@localhost/d",
                f"postgresql://u:{KEY}?1@localhost/d",
                f"postgresql://u:{KEY}@localhost",
                f"postgresql://u:{KEY}@localhost:70000/d",
                f"postgresql://u:{KEY}@localhost:port/d",
                f"postgresql://u:{KEY}@[::1/d",
            )
        ),
        (DATABASE | {"DATABASE_URL": f"{URL}?ssl=on"}, "DATABASE_URL has an option unknown to libpq: invalid"),
    ],
)
def test_an_invalid_environment_stops_the_start_with_a_message_that_names_it(environ, sentence):
    process = manage("check", **environ)

    assert process.returncode != 0
    assert process.stderr.startswith(f"error: {sentence}")
    assert KEY[:31] not in process.stderr


@pytest.mark.parametrize("module", ["wsgi", "asgi"])
def test_a_server_that_imports_the_application_exits_with_the_message(module):
    process = python("-c", f"import healthcare.{module}", DB_LIVE="maybe")

    assert (process.returncode, process.stderr) == (1, "error: DB_LIVE must be True or False, not 'maybe'.\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_dotenv_in_another_encoding_stops_the_start_and_is_named(tmp_path, encoding):
    dotenv = tmp_path / "another.env"
    dotenv.write_text("DB_PASSWORD=é\nDEBUG=True\n", encoding)

    process = manage("check", DOTENV=str(dotenv))

    assert process.stderr == f"error: {dotenv} is not UTF-8 text: save it with the encoding UTF-8.\n"


def test_a_dotenv_may_begin_with_a_byte_order_mark(tmp_path):
    dotenv = tmp_path / "another.env"
    dotenv.write_text("DEBUG=maybe", "utf-8-sig")

    process = manage("check", DOTENV=str(dotenv))

    assert process.stderr == "error: DEBUG must be True or False, not 'maybe'.\n"


def test_the_file_in_dotenv_is_read_and_the_environment_takes_precedence(tmp_path):
    dotenv = tmp_path / "another.env"
    dotenv.write_text("DEBUG=maybe")

    processes = [manage("check", DOTENV=str(dotenv)), manage("check", DOTENV=str(dotenv), DEBUG="False")]

    assert processes[0].stderr == "error: DEBUG must be True or False, not 'maybe'.\n"
    assert processes[1].returncode == 0


@pytest.mark.parametrize("command", [["check"], ["makemigrations", "--check"]])
def test_a_redis_that_does_not_answer_is_named_and_stops_no_command(command):
    process = manage(*command, CACHE_URL=f"redis://:{KEY}@127.0.0.1:1/0")

    assert process.returncode == 0
    assert "The Redis of CACHE_URL does not respond: Error 111 connecting to 127.0.0.1:1." in process.stderr
    assert "Traceback" not in process.stderr
    assert KEY not in process.stderr


@pytest.mark.parametrize(("setting", "refused"), [("True", True), ("False", False), ("", False)])
def test_common_passwords_are_refused_by_a_setting(setting, refused):
    code = "from django.contrib.auth.password_validation import validate_password as v; v('password123')"

    process = manage("shell", "-v", "0", "-c", code, PASSWORD_REJECT_COMMON=setting)

    assert ("This password is too common." in process.stderr) == refused == (process.returncode != 0)


@pytest.mark.parametrize(("setting", "warned"), [("True", False), ("", True)])
def test_the_deploy_check_warns_while_common_passwords_are_accepted(setting, warned):
    process = manage("check", "--deploy", **LIVE, **MAIL, PASSWORD_REJECT_COMMON=setting)

    assert process.returncode == 0
    assert ("accounts.W001" in process.stderr) == warned
    assert warned or "no issues" in process.stdout


@pytest.mark.parametrize("missing", [None, "EMAIL_URL", "PASSWORD_RESET_URL"])
def test_the_deploy_check_warns_while_a_forgotten_password_cannot_be_reset(missing):
    mail = {name: value for name, value in MAIL.items() if name != missing}

    process = manage("check", "--deploy", **LIVE, **mail, PASSWORD_REJECT_COMMON="True")

    assert process.returncode == 0
    assert ("accounts.W002" in process.stderr) == bool(missing)


@pytest.mark.parametrize(
    ("url", "messages"),
    [
        ("", "console localhost 25 False False webmaster@localhost"),
        ("console:", "console localhost 25 False False webmaster@localhost"),
        ("smtp://mail.example", "smtp mail.example 587 True False webmaster@localhost"),
        ("smtp://127.0.0.1:1025", "smtp 127.0.0.1 1025 False False webmaster@localhost"),
        ("smtp://127.0.0.1:1025?tls=true", "smtp 127.0.0.1 1025 True False webmaster@localhost"),
        ("smtp://mail.example:25?tls=false&from=a@b.example", "smtp mail.example 25 False False a@b.example"),
        ("smtps://me%40b.example:p%2F@mail.example", "smtp mail.example 465 False True me@b.example p/"),
    ],
)
def test_email_url_configures_the_e_mail(url, messages):
    code = """if True:
        from django.conf import settings as s
        print(s.EMAIL_BACKEND.split(".")[-2], s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL,
              s.DEFAULT_FROM_EMAIL, s.EMAIL_HOST_PASSWORD)
    """

    process = manage("shell", "-v", "0", "-c", code, EMAIL_URL=url)

    assert process.stdout.strip() == messages


def test_in_production_no_e_mail_is_printed():
    code = "from django.conf import settings; print(settings.EMAIL_BACKEND)"

    assert ".dummy." in manage("shell", "-v", "0", "-c", code, **LIVE).stdout


def test_production_accepts_only_https():
    code = """if True:
        from django.test import Client
        page = Client().get("/admin/", headers={"host": "clinic.example"})
        plain = Client().post("/api/auth/login/", {}, headers={"host": "clinic.example"})
        tls = Client().get("/api/patients/", secure=True, headers={"host": "clinic.example"})
        print(page.status_code, page["Location"], plain.status_code, plain.json()["detail"])
        print(tls.status_code, tls["Strict-Transport-Security"])
    """

    process = manage("shell", "--verbosity", "0", "--command", code, **LIVE)

    assert process.stdout.splitlines()[:2] == [
        "301 https://clinic.example/admin/ 403 Use https://: this API is not served over plain HTTP.",
        "401 max-age=31536000; includeSubDomains; preload",
    ]


@pytest.mark.parametrize("command", ["migrate", "clean_expired", "demo"])
def test_a_command_says_that_the_database_is_unavailable(command):
    process = manage(command, **DATABASE, DB_HOST="127.0.0.1", DB_PORT="1")

    assert process.returncode == 1
    assert process.stderr.startswith("error: the database is unavailable: Connection refused")
    assert "Traceback" not in process.stderr


LIMITS = """if True:
    from django.conf import settings
    print(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], settings.LOGIN_FAILURES, settings.LOGIN_FAILURE_SECONDS)
"""


@pytest.mark.parametrize(
    ("environ", "user", "anonymous", "register", "reset", "guesses"),
    [
        ({}, "1000000/minute", "1000000/minute", "100000/hour", "100000/hour", "10 900"),
        (LIVE, "1200/minute", "120/minute", "20/hour", "20/hour", "10 900"),
        (
            LIVE
            | {
                "RATE_USER": "4/second",
                "RATE_ANONYMOUS": "5/day",
                "RATE_REGISTER": "6/minute",
                "RATE_PASSWORD_RESET": "9/day",
            }
            | {"LOGIN_FAILURES": "7", "LOGIN_FAILURE_SECONDS": "8"},
            *("4/second", "5/day", "6/minute", "9/day", "7 8"),
        ),
    ],
    ids=["local", "production", "set"],
)
def test_rates_are_high_locally_and_low_in_production_and_configurable(
    environ, user, anonymous, register, reset, guesses
):
    process = manage("shell", "--verbosity", "0", "--command", LIMITS, **environ)

    rates = {"user": user, "anon": anonymous, "login": anonymous, "register": register, "password_reset": reset}
    assert process.stdout == f"{rates} {guesses}\n"


@pytest.mark.parametrize(("proxies", "messages"), [("", "403 no-store"), ("1", "401 no-store")])
def test_forwarded_headers_are_trusted_only_behind_a_proxy(proxies, messages):
    code = """if True:
        from django.test import Client
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-forwarded-port": "81"}
        answer = Client().get("/api/patients/", headers={"host": "clinic.example"} | forwarded)
        print(answer.status_code, answer["Cache-Control"])
    """

    process = manage("shell", "--verbosity", "0", "--command", code, **LIVE, TRUSTED_PROXIES=proxies)

    assert process.stdout.split("\n")[0] == messages
