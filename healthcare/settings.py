"""Settings: sections in the order of https://docs.djangoproject.com/en/5.2/topics/settings/.

Settings that differ between deployments are read from the environment or `.env` by `healthcare.env`; `.env.example`
lists all variables. DB_LIVE only chooses the database; PRODUCTION turns on the security settings.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from healthcare import env
from healthcare.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_dotenv(BASE_DIR)

# Core: https://docs.djangoproject.com/en/5.2/howto/deployment/checklist/

PRODUCTION = env.boolean("PRODUCTION")
DEBUG = env.boolean("DEBUG")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG is True: PRODUCTION=True requires DEBUG=False.")
SECRET_KEY = secret_key(PRODUCTION, BASE_DIR / ".secret_key")
if PRODUCTION:
    env.required("ALLOWED_HOSTS", "PRODUCTION=True requires the host names of this site")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
if PRODUCTION and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is '*': PRODUCTION=True requires the host names of this site.")

INSTALLED_APPS = [
    # Before the apps whose templates it overrides.
    "healthcare",
    "healthcare.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "import_export",
    "accounts",
    "patients",
    "doctors",
    "mappings",
    "demo",
]

MIDDLEWARE = [
    "healthcare.middleware.RequestLogMiddleware",
    "healthcare.middleware.ThrottledMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "healthcare.middleware.ContentSecurityPolicyMiddleware",
    "healthcare.middleware.ApiMiddleware",
    "healthcare.middleware.SessionMiddleware",
    "healthcare.middleware.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "healthcare.middleware.AuthenticationMiddleware",
    "healthcare.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]

ROOT_URLCONF = "healthcare.urls"
WSGI_APPLICATION = "healthcare.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: https://docs.djangoproject.com/en/5.2/ref/databases/

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DB_LIVE = env.boolean("DB_LIVE")
# Seconds before a statement or a connection attempt times out and the client gets a 503.
DB_TIMEOUT = env.integer("DB_TIMEOUT", 10, minimum=1)
SQLITE = {
    "ENGINE": "healthcare.db.sqlite3",
    "NAME": BASE_DIR / "db.sqlite3",
    # IMMEDIATE takes the write lock when a transaction begins, so that concurrent writers wait instead of failing.
    # FULL makes commits survive a power failure. https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-notes
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    },
    # A file too, because an in-memory database locks differently and tests of races would prove nothing.
    "TEST": {"NAME": BASE_DIR / "db.sqlite3.test"},
}

POSTGRESQL = {
    "ENGINE": "healthcare.db.postgresql",
    "CONN_MAX_AGE": env.integer("DB_CONN_MAX_AGE", 600),
    "CONN_HEALTH_CHECKS": True,
    # A pooler in transaction mode (PgBouncer, Neon) may use another connection for each transaction.
    "DISABLE_SERVER_SIDE_CURSORS": True,
}

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.postgresql(PRODUCTION, DB_TIMEOUT) | POSTGRESQL if DB_LIVE else SQLITE
}

# Cache: https://docs.djangoproject.com/en/5.2/topics/cache/

# Local to each process; counters that all processes share are in the Redis of CACHE_URL (healthcare.api.throttling).
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}}
CACHE_URL = env.redis_url("CACHE_URL")

# Accounts: https://docs.djangoproject.com/en/5.2/topics/auth/

AUTH_USER_MODEL = "accounts.User"
# The e-mail is unique by a constraint on its lower-case form, which this check cannot see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
# For a log-in whose `next` is not a page of this site.
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["accounts.backends.GuardedBackend"]
PASSWORD_HASHERS = ["accounts.hashers.Argon2PasswordHasher"]
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: 19 MiB, two passes, one lane.
# Hashes with other parameters are replaced when the user logs in.
ARGON2_MEMORY_KIB = env.integer("ARGON2_MEMORY_KIB", 19456, minimum=8)
ARGON2_TIME_COST = env.integer("ARGON2_TIME_COST", 2, minimum=1)
ARGON2_PARALLELISM = env.integer("ARGON2_PARALLELISM", 1, minimum=1)
# Per process: concurrent hashes (its share of the cores), hashes waiting in the queue, and seconds they may wait.
# Beyond these limits a log-in gets a 503 immediately.
PASSWORD_CONCURRENT_HASHES = max(1, env.cores() // env.integer("WORKERS", 2, minimum=1))
PASSWORD_HASHES_WAITING = 12
PASSWORD_HASH_SECONDS = 3
PASSWORD_REJECT_COMMON = env.boolean("PASSWORD_REJECT_COMMON")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
]
if PASSWORD_REJECT_COMMON:
    AUTH_PASSWORD_VALIDATORS += [{"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"}]

# Whether clients may register; if closed, only staff create accounts, in the admin.
REGISTRATION_OPEN = env.choice("REGISTRATION", ["open", "closed"]) == "open"
# The link in the password reset e-mail, with {uid} and {token}; without it the e-mail contains the two values.
PASSWORD_RESET_URL = env.url_template("PASSWORD_RESET_URL", ["uid", "token"])
# Seconds.
PASSWORD_RESET_TIMEOUT = 3600

# Within this many seconds of its first use, a reused refresh token is only refused; later, reuse revokes the session.
REFRESH_GRACE_SECONDS = env.integer("REFRESH_GRACE_SECONDS", 10)

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 15, minimum=1)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 7, minimum=1)),
    # A claim derived from `User.revocation_key`: a new password or a deactivation revokes every token issued before.
    "CHECK_REVOKE_TOKEN": True,
    # Seconds by which the clocks of two machines may differ.
    "LEEWAY": 10,
}

# E-mail: https://docs.djangoproject.com/en/5.2/topics/email/

# Sets EMAIL_BACKEND, EMAIL_HOST and so on. Without EMAIL_URL, e-mails are printed in development and dropped in
# production, where their reset tokens would end up in the log.
EMAIL_URL = env.text("EMAIL_URL")
globals().update(env.email("EMAIL_URL", "dummy" if PRODUCTION else "console"))
EMAIL_TIMEOUT = 10

# API: https://www.django-rest-framework.org/api-guide/settings/

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": [
        "healthcare.api.throttling.UserRateThrottle",
        "healthcare.api.throttling.AnonRateThrottle",
        "healthcare.api.throttling.ConcurrencyThrottle",
    ],
    # Practically unlimited in development.
    "DEFAULT_THROTTLE_RATES": {
        "user": env.rate("RATE_USER", "1200/minute" if PRODUCTION else "1000000/minute"),
        "anon": env.rate("RATE_ANONYMOUS", "120/minute" if PRODUCTION else "1000000/minute"),
        "login": env.rate("RATE_ANONYMOUS", "120/minute" if PRODUCTION else "1000000/minute"),
        "register": env.rate("RATE_REGISTER", "20/hour" if PRODUCTION else "100000/hour"),
        "password_reset": env.rate("RATE_PASSWORD_RESET", "20/hour" if PRODUCTION else "100000/hour"),
    },
    "DEFAULT_PARSER_CLASSES": ["healthcare.api.json.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["healthcare.api.json.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "healthcare.api.negotiation.ContentNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    # The renderer formats timestamps.
    "DATETIME_FORMAT": None,
    "DEFAULT_SCHEMA_CLASS": "healthcare.api.schema.Schema",
    "EXCEPTION_HANDLER": "healthcare.api.errors.exception_handler",
}
# Concurrent requests of one user in one process, which has 16 threads.
USER_CONCURRENT_REQUESTS = env.integer("USER_CONCURRENT_REQUESTS", 8, minimum=1)
# Failed log-ins allowed for one account from one address within LOGIN_FAILURE_SECONDS.
LOGIN_FAILURES = env.integer("LOGIN_FAILURES", 10, minimum=1)
LOGIN_FAILURE_SECONDS = env.integer("LOGIN_FAILURE_SECONDS", 900, minimum=1)
# Bytes; larger bodies get a 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

SPECTACULAR_SETTINGS = {
    "TITLE": "Healthcare API",
    "VERSION": "1.0.0",
    "DESCRIPTION": (
        "Patients of your own, a doctor directory shared by all users, and who is assigned to whom.\n\n"
        "Register, log in, press **Authorize** and paste the `access` token: every operation can then be tried here."
        "\n\nText is trimmed, and must not contain control characters. Unknown keys of a body are ignored, or "
        "refused with the header `Prefer: handling=strict`."
    ),
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "CONTACT": {"name": "the Healthcare backend contributors"},
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True, "tryItOutEnabled": True, "displayRequestDuration": True},
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/",
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": ["healthcare.api.schema.finish"],
    "TAGS": [
        {"name": "Accounts", "description": "Register, log in, renew and end sessions."},
        {"name": "Patients", "description": "Private to the user who created them."},
        {"name": "Doctors", "description": "One directory, shared by all users."},
        {"name": "Mappings", "description": "Which doctor is assigned to which patient."},
    ],
}

# History: https://django-simple-history.readthedocs.io/

# Versions are read-only: records are edited on their own page, and deleted ones are restored from the list.
SIMPLE_HISTORY_REVERT_DISABLED = True
# `healthcare.db.history` adds a smaller BRIN index on the date instead.
SIMPLE_HISTORY_DATE_INDEX = False

# Language and time: https://docs.djangoproject.com/en/5.2/topics/i18n/

# For the admin; the API's timestamps are in UTC.
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_I18N = False
FORMAT_MODULE_PATH = "healthcare.formats"

# Static files: https://whitenoise.readthedocs.io/en/stable/django.html

STATIC_URL = "/static/"
# Development serves the files from the apps' folders; production serves those that `manage.py collectstatic` collected,
# with a hash of the content in their names.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
if PRODUCTION:
    STATIC_ROOT = BASE_DIR / "static"
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# Transport: https://docs.djangoproject.com/en/5.2/topics/security/

# Pages (the admin, the docs) load only their own files. Swagger UI needs data: URLs for its icons; Swagger UI and the
# admin's autocomplete need inline styles.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The admin logs users out after this many seconds without a request.
SESSION_COOKIE_AGE = env.integer("ADMIN_IDLE_MINUTES", 30, minimum=1) * 60
SESSION_SAVE_EVERY_REQUEST = True
# Number of proxies that set X-Forwarded-For and X-Forwarded-Proto. With 0, both headers are ignored.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if PRODUCTION:
    SECURE_SSL_REDIRECT = True
    # The API refuses plain HTTP instead: a redirect would turn a POST into a GET and hide that the token was sent
    # unencrypted.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$", r"^api(/|$)"]
    SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31_536_000, minimum=1)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
CSRF_FAILURE_VIEW = "healthcare.admin.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", wildcard=True)

# CORS: https://github.com/adamchainz/django-cors-headers

CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
if CORS_ALLOWED_ORIGINS:
    INSTALLED_APPS += ["corsheaders"]
    # Before all middleware that may return a response, so that browsers can read errors too.
    MIDDLEWARE.insert(1, "corsheaders.middleware.CorsMiddleware")
    CORS_URLS_REGEX = "^/api/"
    CORS_ALLOW_HEADERS = ["authorization", "content-type", "if-match", "if-none-match", "prefer"]
    CORS_EXPOSE_HEADERS = ["ETag", "Link", "Location", "Retry-After", "X-Request-ID"]

# Logging: https://docs.djangoproject.com/en/5.2/topics/logging/

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "healthcare.logs.JSONFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "healthcare": {"level": "INFO"},
        # Django would log every 4xx and 5xx a second time, with the path and query string as the client sent them.
        "django.request": {"level": "CRITICAL"},
        "django.security": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
    },
}
