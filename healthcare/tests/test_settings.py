"""The settings from the environment: an invalid value stops the start with a message that names it."""

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from healthcare import env
from healthcare.tests.environment import KEY, manage, python

MAIL = {"EMAIL_URL": "smtp://mail.example", "PASSWORD_RESET_URL": "https://clinic.example/reset?u={uid}&t={token}"}
LIVE = {"PRODUCTION": "True", "SECRET_KEY": KEY, "ALLOWED_HOSTS": "clinic.example"}
URL = "postgresql://u:p@db.example/d"
DATABASE = {"DB_LIVE": "True", "DB_NAME": "clinic", "DB_USER": "clinic"}
NO_DATABASE = dict.fromkeys(["DATABASE_URL", *(f"DB_{name}" for name in ("PASSWORD", "HOST", "PORT", "SSLMODE"))], "")

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


# The database


@pytest.fixture
def database(monkeypatch):
    """Return a function that returns the database settings for an environment."""

    def make(production=False, **environ):
        for name, value in (NO_DATABASE | DATABASE | environ).items():
            monkeypatch.setenv(name, value)
        return env.postgresql(production, connect_timeout=10)

    return make


@pytest.mark.parametrize(
    ("production", "environ", "sslmode"),
    [
        (False, {}, "prefer"),
        (False, {"DB_HOST": "db.example"}, "prefer"),
        (True, {}, "prefer"),
        (True, {"DB_HOST": "/var/run/postgresql"}, "prefer"),
        (True, {"DB_HOST": "127.0.0.1", "DB_SSLMODE": "disable"}, "disable"),
        (True, {"DB_HOST": "db.example"}, "require"),
        (True, {"DB_HOST": "db.example", "DB_SSLMODE": "verify-full"}, "verify-full"),
        (False, {"DATABASE_URL": f"{URL}?sslmode=verify-full"}, "verify-full"),
        (True, {"DATABASE_URL": URL}, "require"),
        (True, {"DATABASE_URL": f"{URL}?sslmode=verify-ca"}, "verify-ca"),
        (True, {"DATABASE_URL": f"{URL}?sslmode=require", "DB_SSLMODE": "verify-ca"}, "verify-ca"),
    ],
)
def test_a_database_on_another_machine_is_connected_with_tls_in_production(database, production, environ, sslmode):
    assert database(production, **environ)["OPTIONS"]["sslmode"] == sslmode


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
@pytest.mark.parametrize("url", ["", URL, "postgresql:///records?host=db.example", f"{URL}?hostaddr=192.0.2.1"])
def test_a_database_on_another_machine_without_tls_stops_the_start_in_production(database, sslmode, url):
    with pytest.raises(ImproperlyConfigured, match=f"DB_SSLMODE is '{sslmode}'"):
        database(True, DB_HOST="db.example", DB_SSLMODE=sslmode, DATABASE_URL=url)


def test_a_database_url_without_tls_stops_the_start_in_production(database):
    with pytest.raises(ImproperlyConfigured, match="DB_SSLMODE is 'disable'"):
        database(True, DATABASE_URL=f"{URL}?sslmode=disable")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:p%23%2F%3F%40@db.example:65535/records?sslmode=require",
        "postgres://ann:p@ss@[2001:db8::1]:5432/records",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/records",
        "postgresql:///records?host=db.example",
        "postgresql://ann:p@db1.example:5432,db2.example/records",
    ],
)
def test_a_valid_database_url_is_accepted(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)

    assert env.postgresql_url("DATABASE_URL") == url


def test_a_database_url_overrides_the_five_variables(database):
    database_settings = database(DATABASE_URL="postgresql://ann:p%40ss@db.example:6432/records")

    wanted = {"NAME": "records", "USER": "ann", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": 6432}
    assert {name: database_settings[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("environ", "host", "port"),
    [
        ({"DB_HOST": "db1, db2,db3", "DB_PORT": ""}, "db1,db2,db3", 5432),
        ({"DB_HOST": "db1,db2", "DB_PORT": "6432"}, "db1,db2", 6432),
        ({"DB_HOST": "db1,db2", "DB_PORT": "5432,6432"}, "db1,db2", "5432,6432"),
        ({"DATABASE_URL": "postgresql://ann:p%40s,s@db1:6432,db2/records"}, "db1,db2", "6432,5432"),
        ({"DATABASE_URL": "postgresql://ann@[::1],[2001:db8::2]:6432/records"}, "::1,2001:db8::2", "5432,6432"),
        ({"DATABASE_URL": "postgresql://db1,db2/records?target_session_attrs=primary"}, "db1,db2", "5432,5432"),
    ],
)
def test_several_hosts_are_used_and_one_must_accept_writes(database, environ, host, port):
    database_settings = database(**environ)

    assert (database_settings["HOST"], database_settings["PORT"]) == (host, port)
    assert database_settings["OPTIONS"]["target_session_attrs"] in {"read-write", "primary"}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"DB_HOST": "db1,db2", "DB_PORT": "1,2,3"}, "DB_PORT must be one port, or one for each host"),
        ({"DB_HOST": "db1,db2", "DB_PORT": "1,x"}, "DB_PORT must be one port, or one for each host"),
        ({"DB_HOST": "db1", "DB_PORT": "1,2"}, "DB_PORT must be one port, or one for each host"),
        ({"DATABASE_URL": "postgresql://db1,/records"}, "DATABASE_URL must name its hosts as host:port,host:port"),
        ({"DATABASE_URL": "postgresql://db1,db2:x/records"}, "DATABASE_URL must start with postgresql:// and be like"),
        ({"DATABASE_URL": "postgresql://db1,db2/records?target_session_attrs=any"}, "must be read-write"),
        ({"DATABASE_URL": "postgresql:///records?host=db1,db2"}, "not in its query"),
    ],
)
def test_invalid_hosts_stop_the_start(database, environ, sentence):
    with pytest.raises(ImproperlyConfigured, match=sentence):
        database(**environ)


@pytest.mark.parametrize("environ", [{"DB_HOST": "127.0.0.1,db2"}, {"DATABASE_URL": "postgresql://[::1],db2/records"}])
def test_several_hosts_need_tls_in_production_if_one_is_another_machine(database, environ):
    assert database(True, **environ)["OPTIONS"]["sslmode"] == "require"
    with pytest.raises(ImproperlyConfigured, match="DB_SSLMODE is 'prefer'"):
        database(True, DB_SSLMODE="prefer", **environ)


# Reading the environment


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("yes", True), (" ON ", True), ("1", True), ("false", False), ("0", False), ("", "default")],
)
def test_a_boolean_is_a_plain_yes_or_no(monkeypatch, value, expected):
    monkeypatch.setenv("SWITCH", value)

    assert env.boolean("SWITCH", "default") == expected


@pytest.mark.parametrize("value", ["1.5", "-1", "٣", "1_0", "0x1", "1" * 10, "five"])
def test_an_integer_is_ascii_digits(monkeypatch, value):
    monkeypatch.setenv("NUMBER", value)

    with pytest.raises(ImproperlyConfigured, match="NUMBER must be a whole number of at least 0"):
        env.integer("NUMBER", 7)


@pytest.mark.parametrize(("value", "expected"), [("a, b,,c ", ["a", "b", "c"]), ("", ["d"]), (" , ", ["d"])])
def test_names_are_separated_by_commas(monkeypatch, value, expected):
    monkeypatch.setenv("NAMES", value)

    assert env.names("NAMES", ["d"]) == expected


def test_a_local_key_is_generated_once_and_readable_only_by_its_owner(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "")

    first, second = (env.secret_key(False, tmp_path / "key") for _ in range(2))

    assert first == second
    assert len(first.encode()) >= 32
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


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
