"""A server started by `make serve` with a separate database, and Chromium with the pages to test."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.conf import settings
from playwright.sync_api import sync_playwright

from conftest import PASSWORD

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STAFF, AUDITOR, RECEPTION = "staff@example.com", "auditor@example.com", "reception@example.com"
ACCOUNTS = f"""
from django.contrib.auth.models import Group
from accounts.models import User
User.objects.create_superuser({STAFF!r}, {PASSWORD!r}, name="Stella Staff")
auditor = User.objects.create_user({AUDITOR!r}, {PASSWORD!r}, name="Ada Auditor", is_staff=True)
auditor.groups.set([Group.objects.get(name="Auditors")])
reception = User.objects.create_user({RECEPTION!r}, {PASSWORD!r}, name="Rita Reception", is_staff=True)
reception.groups.set([Group.objects.get(name="Reception")])
"""
VIEWS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
    # 1280 x 800 pixels at 200 % zoom.
    "zoomed": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2, "color_scheme": "light"},
    "narrow-dark": {"viewport": {"width": 400, "height": 800}, "color_scheme": "dark"},
}

# The folder for screenshots, if they are wanted.
SHOTS = os.environ.get("BROWSER_SHOTS")
UNLABELLED = """
() => [...document.querySelectorAll("input:not([type=hidden], [type=submit], [type=button]), select, textarea")]
    .filter(element => element.checkVisibility() && !element.labels?.length
        && !element.ariaLabel && !element.getAttribute("aria-labelledby"))
    .map(element => element.outerHTML)
"""
AXE = settings.BASE_DIR / ".browser/node_modules/axe-core/axe.min.js"
VIOLATIONS = """
async options => (await axe.run(options)).violations.map(({id, nodes}) => [id, ...nodes.map(node => node.html)])
"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Return the environment of a server on an empty database."""
    name = f"browser_{uuid.uuid4().hex[:8]}"
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "healthcare.tests.browser.settings",
        "BROWSER_DATABASE": str(tmp_path_factory.mktemp("browser") / "db.sqlite3"),
    }
    if not settings.DB_LIVE:
        yield environment
        return
    known = settings.DATABASES["default"]
    server = psycopg2.connect(
        dbname="postgres", user=known["USER"], password=known["PASSWORD"], host=known["HOST"], port=known["PORT"]
    )
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield environment | {"DB_NAME": name}
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    server.close()


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """Return the address of a running server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], env=database, check=True)
    subprocess.run([*manage, "shell", "--no-imports", "--command", ACCOUNTS], env=database, check=True)
    path = f"{Path(sys.executable).parent}:{database['PATH']}"
    with (tmp_path_factory.mktemp("log") / "server.log").open("w") as log:
        process = subprocess.Popen(
            ["/bin/sh", "deploy/serve.sh"],
            env=database | {"PATH": path, "PORT": str(port), "WORKERS": "1"},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/readyz")
            break
        except URLError:
            assert process.poll() is None, Path(log.name).read_text()
            time.sleep(0.1)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    assert '"traceback"' not in Path(log.name).read_text()


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, server, request):
    """Return a browser page that fails the test on console errors and requests to other hosts."""
    context = chromium.new_context(base_url=server, accept_downloads=True, **getattr(request, "param", {}))
    page, wrong = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("console", lambda message: wrong.append(message.text) if is_wrong(message, page) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: wrong.append(sent.url) if foreign(sent.url, server) else None)
    yield page
    context.close()
    assert wrong == []


def is_wrong(message, page):
    """Return whether a console message is an error or a warning, except for the status of the page itself."""
    return message.type in {"error", "warning"} and message.location["url"] != page.url


def foreign(url, server):
    return urlsplit(url).scheme not in {"data", "blob"} and not url.startswith(f"{server}/")


@pytest.fixture
def look(page, request):
    """Return a function that checks a page: language, heading, labels, no horizontal scrolling, axe-core."""
    violations = []

    def check(name, labels=True):
        page.locator("h1").first.wait_for()
        page.wait_for_load_state("load")
        assert page.locator("html").get_attribute("lang")
        assert page.evaluate(OVERFLOW) <= 0
        if labels:
            assert page.evaluate(UNLABELLED) == []
        page.evaluate(AXE.read_text())
        # Swagger UI has fields without labels.
        options = {} if labels else {"runOnly": ["color-contrast"]}
        violations.extend([name, *violation] for violation in page.evaluate(VIOLATIONS, options))
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)

    yield check
    assert violations == []


@pytest.fixture
def log_in(page):
    """Return a function that logs in to the admin."""

    def enter(email):
        page.goto("/admin/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()

    return enter
