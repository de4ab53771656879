"""Read typed settings from environment variables; an invalid value is a startup error that names the variable."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url
import dotenv
from django.core.exceptions import ImproperlyConfigured

TRUE = {"true", "1", "yes", "on"}
FALSE = {"false", "0", "no", "off"}
LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
HOST = r"([a-z0-9.-]+|\[[0-9a-f:.]+\])"


def text(name: str, default: str = "") -> str:
    """Return the variable stripped of white space, or `default` if it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def load_dotenv(folder: Path) -> None:
    """Load the file named by DOTENV, or else `.env` in `folder` if it exists, into the environment.

    Existing variables take precedence. Raises ImproperlyConfigured if the file cannot be read.
    """
    path = folder / text("DOTENV", ".env")
    if text("DOTENV") and not path.exists():
        raise ImproperlyConfigured(f"DOTENV names no file: {text('DOTENV')!r}.")
    try:
        dotenv.load_dotenv(path, interpolate=False, encoding="utf-8-sig")
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        # Invalid UTF-8 or NUL characters: Windows editors and shells may write UTF-16.
        raise ImproperlyConfigured(f"{path} is not UTF-8 text: save it with the encoding UTF-8.") from None


def boolean(name: str, default: bool = False) -> bool:
    """Return the variable as a bool; raise ImproperlyConfigured for any other value."""
    value = text(name).lower()
    if not value:
        return default
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be True or False, not {value!r}.")
    return value in TRUE


def integer(name: str, default: int, minimum: int = 0) -> int:
    """Return the variable as an int of at least `minimum`; raise ImproperlyConfigured for anything else."""
    value = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < minimum:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {minimum}, not {value!r}.")
    return int(value)


def names(name: str, default: Iterable[str] = ()) -> list[str]:
    """Return a comma-separated variable as a list of its non-empty parts."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or list(default)


def hosts(name: str, default: Iterable[str]) -> list[str]:
    """Return a comma-separated variable as a list of host names; a leading dot includes subdomains.

    Raises ImproperlyConfigured for a scheme, a port, a path or anything else that no Host header can match.
    """
    for host in names(name):
        if not re.fullmatch(rf"\*|\.?{HOST}", host, re.IGNORECASE):
            raise ImproperlyConfigured(
                f"{name} must list host names such as api.example.com or [::1], without scheme or port, not {host!r}."
            )
    return names(name, default)


def origins(name: str, wildcard: bool = False) -> list[str]:
    """Return a comma-separated variable as a list of web origins (RFC 6454).

    Raises ImproperlyConfigured for a path or anything else that browsers never send as an origin, and for a wildcard
    (https://*.example.com) unless `wildcard` is true.
    """
    for origin in names(name):
        url = origin.replace("://*.", "://", 1) if wildcard else origin
        if not re.fullmatch(rf"https?://{HOST}(:[0-9]{{1,5}})?", url):
            raise ImproperlyConfigured(f"{name} must list origins such as https://app.example.com, not {origin!r}.")
    return names(name)


def time_zone(name: str, default: str) -> str:
    """Return a time zone such as `Europe/Warsaw`; raise ImproperlyConfigured for a name that is not in tzdata."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ImproperlyConfigured(f"{name} must be a time zone such as Europe/Warsaw, not {value!r}.") from None
    return value


def redis_url(name: str) -> str:
    """Return a Redis URL, or "" if the variable is unset; raise ImproperlyConfigured for any other URL."""
    url = text(name)
    if url:
        from redis import ConnectionPool

        try:
            ConnectionPool.from_url(url)
        except ValueError:
            # The value is not quoted: it may contain a password.
            raise ImproperlyConfigured(f"{name} must be like redis://127.0.0.1:6379/0.") from None
    return url


def postgresql_url(name: str) -> str:
    """Return a PostgreSQL URL, or "" if the variable is unset; raise ImproperlyConfigured for any other URL.

    Reserved characters (RFC 3986, section 2.2) must be percent-encoded in a user name or password.
    """
    url = text(name)
    host = r"(\[[0-9a-fA-F:.]+\]|[^,:/?#@[\]]*)(:[0-9]{1,5})?"
    match = re.fullmatch(rf"(?:postgres|postgresql|pgsql)://(?:[^/?#]*@)?({host}(,{host})*)/[^/?#]+(\?[^#]*)?", url)
    if url and not (match and all(int(port) < 2**16 for port in re.findall(r":([0-9]+)(?=,|$)", match[1]))):
        # The value is not quoted: it may contain a password.
        raise ImproperlyConfigured(
            f"{name} must start with postgresql:// and be like postgresql://user:password@host:5432/name, with special "
            "characters of the password percent-encoded: # is %23, / is %2F, ? is %3F."
        )
    return url


def rate(name: str, default: str) -> str:
    """Return a rate such as `20/hour`; raise ImproperlyConfigured for anything else."""
    value = text(name, default)
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", value):
        raise ImproperlyConfigured(f"{name} must be a rate such as 20/hour, not {value!r}.")
    return value


def choice(name: str, options: Sequence[str]) -> str:
    """Return one of `options`, the first by default; raise ImproperlyConfigured for anything else."""
    value = text(name, options[0]).lower()
    if value not in options:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(options)}, not {value!r}.")
    return value


def url_template(name: str, placeholders: Sequence[str]) -> str:
    """Return a URL with all `placeholders`, such as {token}, or "" if unset; raise ImproperlyConfigured otherwise."""
    value, wanted = text(name), [f"{{{placeholder}}}" for placeholder in placeholders]
    if value and not (re.match("https?://", value) and sorted(re.findall(r"\{[^}]*\}?|\}", value)) == sorted(wanted)):
        raise ImproperlyConfigured(f"{name} must be a web address with {' and '.join(wanted)}, not {value!r}.")
    return value


def email(name: str, default: str) -> dict[str, Any]:
    """Return Django's e-mail settings for a URL such as `smtp://user:password@host:587?from=clinic@example.com`.

    smtps:// uses implicit TLS. smtp:// uses STARTTLS by default for remote hosts; `tls=true` or `tls=false` overrides
    that. `console:` prints e-mails; `default` is the backend if the variable is unset. Raises ImproperlyConfigured for
    any other URL.
    """
    backend = "django.core.mail.backends.{}.EmailBackend".format
    value = text(name)
    if not value or value == "console:":
        return {"EMAIL_BACKEND": backend("console" if value else default)}
    try:
        url = urlsplit(value)
        query = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
        tls = {"true": True, "false": False}[query.pop("tls", str(url.hostname not in LOCAL_HOSTS)).lower()]
        sender = query.pop("from", "") or (unquote(url.username or "") if "%40" in (url.username or "") else "")
        if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment or query:
            raise ValueError
        return {
            "EMAIL_BACKEND": backend("smtp"),
            "EMAIL_HOST": url.hostname,
            "EMAIL_PORT": url.port or (465 if url.scheme == "smtps" else 587),
            "EMAIL_HOST_USER": unquote(url.username or ""),
            "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
            "EMAIL_USE_SSL": url.scheme == "smtps",
            "EMAIL_USE_TLS": url.scheme == "smtp" and tls,
            **({"DEFAULT_FROM_EMAIL": sender} if sender else {}),
        }
    except (ValueError, KeyError):
        # The value is not quoted: it may contain a password.
        raise ImproperlyConfigured(
            f"{name} must be like smtp://user:password@host:587?from=clinic@example.com, smtps://... or console:, with "
            "special characters of the user and password percent-encoded: @ is %40, / is %2F."
        ) from None


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def required(name: str, why: str) -> str:
    """Return the variable; raise ImproperlyConfigured with the reason if it is missing."""
    value = text(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {why}.")
    return value


def postgresql(production: bool, connect_timeout: int) -> dict[str, Any]:
    """Return the PostgreSQL connection settings as keys of DATABASES.

    They come from DATABASE_URL or else the five DB_* variables; DB_SSLMODE overrides the URL's sslmode. Given several
    hosts, separated by commas, libpq connects to the one that accepts writes. Raises ImproperlyConfigured for missing
    or invalid values and, in production, for connections to another machine without TLS.
    """
    # Imported here because SQLite does not need it.
    import psycopg2
    from psycopg2.extensions import make_dsn

    url = postgresql_url("DATABASE_URL")
    if url:
        database = _database_url(url)
    else:
        database = {
            "NAME": required("DB_NAME", "DB_LIVE=True requires the name of a PostgreSQL database"),
            "USER": required("DB_USER", "DB_LIVE=True requires a PostgreSQL user"),
            "PASSWORD": text("DB_PASSWORD"),
            "HOST": ",".join(names("DB_HOST", ["localhost"])),
            "PORT": text("DB_PORT") if "," in text("DB_PORT") else integer("DB_PORT", 5432, minimum=1),
        }
    options = database.get("OPTIONS", {})
    hosts, ports = str(database["HOST"]).split(","), str(database["PORT"]).split(",")
    if len(ports) > 1 and (len(ports) != len(hosts) or not all(re.fullmatch("[0-9]{1,5}", port) for port in ports)):
        raise ImproperlyConfigured("DB_PORT must be one port, or one for each host of DB_HOST, separated by commas.")
    if len(hosts) > 1 and options.setdefault("target_session_attrs", "read-write") not in {"read-write", "primary"}:
        raise ImproperlyConfigured("DATABASE_URL names several hosts: target_session_attrs must be read-write.")
    # libpq also takes the host from the query string of the URL.
    hosts += [options.get("host", ""), options.get("hostaddr", "")]
    if any("," in host for host in hosts):
        raise ImproperlyConfigured("DATABASE_URL must list several hosts before the database name, not in its query.")
    strict = production and not all(host in LOCAL_HOSTS or host.startswith("/") for host in hosts)
    sslmode = text("DB_SSLMODE") or options.get("sslmode") or ("require" if strict else "prefer")
    if sslmode not in SSL_MODES:
        raise ImproperlyConfigured(f"DB_SSLMODE must be one of {', '.join(SSL_MODES)}, not {sslmode!r}.")
    if strict and sslmode in {"disable", "allow", "prefer"}:
        raise ImproperlyConfigured(f"DB_SSLMODE is {sslmode!r}: PRODUCTION=True requires TLS to a remote database.")
    options = {**options, "sslmode": sslmode, "connect_timeout": connect_timeout}
    try:
        make_dsn(**options)
    except psycopg2.ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL has an option unknown to libpq: {error}".strip()) from None
    return database | {"OPTIONS": options}


def _database_url(url: str) -> dict[str, Any]:
    """Return DATABASE_URL as keys of DATABASES; dj_database_url supports one host only."""
    before, hosts, after = re.fullmatch(r"(\w+://(?:[^/?#]*@)?)([^/?#]*)(.*)", url).groups()  # type: ignore[union-attr]
    first, *others = hosts.split(",")
    database: dict[str, Any] = {**dj_database_url.parse(f"{before}{first}{after}")}
    if others:
        parts = [re.fullmatch(r"(\[.+\]|[^:]+)(?::([0-9]+))?", host) for host in (first, *others)]
        if None in parts:
            raise ImproperlyConfigured("DATABASE_URL must name its hosts as host:port,host:port.")
        database["HOST"] = ",".join(unquote(part[1].strip("[]")) for part in parts if part)
        database["PORT"] = ",".join(part[2] or "5432" for part in parts if part)
    return database
