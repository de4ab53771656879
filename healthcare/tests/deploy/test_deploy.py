"""The files of deploy/ are consistent: paths, variables and environments."""

import re

import pytest
import yaml
from django.core.management import get_commands

from healthcare.settings import BASE_DIR
from healthcare.tests.environment import KEY, manage

COMPOSE = yaml.safe_load((BASE_DIR / "deploy/compose.yaml").read_text())
RENDER = yaml.safe_load((BASE_DIR / "deploy/render.yaml").read_text())
APP = COMPOSE["services"]["app"]
CLEAN = COMPOSE["services"]["clean"]
WEB, CRON = RENDER["services"]
# Secrets and values of the host, which the files do not contain.
OWN = {
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "api.example.com",
    "EMAIL_URL": "smtps://clinic:secret@mail.example.com",
    "PASSWORD_RESET_URL": "https://app.example.com/reset/{uid}/{token}",
}
DATABASE_URL = "postgresql://clinic:secret@database.example/clinic"

known = set(re.findall(r"^#([A-Z_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE))


def test_every_path_in_deploy_exists():
    dockerfile = BASE_DIR / APP["build"]["dockerfile"]
    copied = re.findall(r"^COPY (\S+)", dockerfile.read_text(), re.MULTILINE)
    (command,) = re.findall(r'^CMD \["(.+)"\]', dockerfile.read_text(), re.MULTILINE)
    mounted = [volume.split(":")[0] for volume in COMPOSE["services"]["nginx"]["volumes"] if "nginx.conf" in volume]
    paths = [dockerfile, *(BASE_DIR / service["dockerfilePath"] for service in (WEB, CRON)), BASE_DIR / command]
    paths += [BASE_DIR / path for path in copied] + [BASE_DIR / "deploy" / path for path in mounted]

    missing = [path for path in paths if not path.exists()]

    assert missing == []
    assert len(paths) == 7


def test_compose_replaces_the_address_that_nginx_conf_has():
    (address,) = re.findall(r"s/([^/]+)/", " ".join(COMPOSE["services"]["nginx"]["command"]))

    found = (BASE_DIR / "deploy/nginx.conf").read_text().count(f"server {address};")

    assert found == 1


@pytest.mark.parametrize(
    "variables",
    [APP["environment"], *([entry["key"] for entry in service["envVars"]] for service in (WEB, CRON))],
    ids=["compose", "web", "cron"],
)
def test_every_variable_that_deploy_sets_is_in_the_example(variables):
    unknown = set(variables) - known

    assert unknown == set()


def test_the_environment_of_compose_starts_in_production():
    # There is no Redis in the tests.
    environment = APP["environment"] | OWN | {"CACHE_URL": ""}

    process = manage("check", "--deploy", "--fail-level", "WARNING", **environment)

    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(("service", "options"), [(WEB, ["--deploy"]), (CRON, [])], ids=["web", "cron"])
def test_the_environment_of_render_starts_in_production(service, options):
    environment = OWN | {entry["key"]: entry["value"] for entry in service["envVars"] if "value" in entry}

    process = manage("check", *options, "--fail-level", "WARNING", **environment, DATABASE_URL=DATABASE_URL)

    assert (process.returncode, process.stderr) == (0, "")


def test_expired_data_is_deleted_every_day():
    (command,) = re.findall(r"while python manage\.py (\w+); do sleep 86400; done", CLEAN["command"][-1])

    assert {command, CRON["dockerCommand"].removeprefix("python manage.py ")} == {"clean_expired"}
    assert "clean_expired" in get_commands()
    assert CLEAN["environment"] == APP["environment"]
    assert CRON["schedule"] == "0 3 * * *"


def test_only_nginx_publishes_ports_and_reaches_other_networks():
    published = [name for name, service in COMPOSE["services"].items() if "ports" in service]
    outside = [name for name, service in COMPOSE["services"].items() if "outside" in service.get("networks", [])]

    assert (published, outside) == (["nginx"], ["nginx"])
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert COMPOSE["services"]["database"]["network_mode"] == "none"


def test_the_image_excludes_what_git_ignores():
    ignored = [line.strip("/") for line in (BASE_DIR / ".gitignore").read_text().splitlines()]
    left_out = [line.removeprefix("**/") for line in (BASE_DIR / ".dockerignore").read_text().splitlines()]

    missing = set(ignored) - set(left_out)

    assert missing == set()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:"),
        ("2001:db8:1:2::7", "2001:db8:1:2:"),
        ("2001:db8:1::7", "2001:db8:1:"),
        ("2001:db8::a:b:c:d", "2001:db8:"),
        ("2001::7", "2001:"),
    ],
)
def test_nginx_limits_an_ipv6_client_by_its_network(address, network):
    conf = (BASE_DIR / "deploy/nginx.conf").read_text()
    block = re.search(r"map \$remote_addr \$network \{(.*?)\n    \}", conf, re.DOTALL)[1]
    patterns = re.findall(r'"~(\S+)" \$\w+;', block)
    matches = (re.match(pattern.replace("(?<", "(?P<"), address) for pattern in patterns)

    assert len(patterns) == 2
    assert next((match[1] for match in matches if match), address) == network
