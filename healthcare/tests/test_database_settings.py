"""The database settings from DB_* and DATABASE_URL: hosts, TLS and precedence."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from healthcare import env
from healthcare.tests.environment import DATABASE, URL

NO_DATABASE = dict.fromkeys(["DATABASE_URL", *(f"DB_{name}" for name in ("PASSWORD", "HOST", "PORT", "SSLMODE"))], "")


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
