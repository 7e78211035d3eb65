"""docker-compose.yml and Dockerfile, by what they say: no engine is needed to see that they fit the project."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from config.environment import PUBLISHED_KEYS
from notifier.checks import PUBLISHED_SERVER_PASSWORD
from notifier.staff.published_passwords import is_published

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BUILT_HERE = {name: service for name, service in SERVICES.items() if "build" in service}
SERVERS = {name: service for name, service in SERVICES.items() if "image" in service}
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
#: What an image, or a command of ours, reads besides the settings.
KNOWN = {
    "migrate": {"DJANGO_SUPERUSER_USERNAME", "DJANGO_SUPERUSER_PASSWORD", "DJANGO_SUPERUSER_EMAIL"},
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"},
    "rabbitmq": {"RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"},
}


def settings_read() -> set[str]:
    return set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (PROJECT / "config/settings.py").read_text()))


def programs(service: dict[str, Any]) -> list[list[str]]:
    """The commands that a service runs, one after the other."""
    command = service.get("command")
    if command is None:
        return [re.findall(r'"([^"]+)"', DOCKERFILE.split("CMD ")[1])]
    if command[:2] == ["sh", "-c"]:
        return [shlex.split(part) for part in command[2].split("&&")]
    return [command]


def test_it_has_what_a_scaled_out_notifier_needs() -> None:
    assert BUILT_HERE.keys() == {"web", "dispatcher", "email", "sms", "migrate", "demo"}
    assert SERVERS.keys() == {"postgres", "rabbitmq", "mailpit"}


@pytest.mark.parametrize("name", BUILT_HERE)
def test_every_command_exists(name: str) -> None:
    for program in programs(BUILT_HERE[name]):
        if program[0] == "gunicorn":
            assert program[1] == "config.wsgi"
        else:
            assert program[:2] == ["python", "manage.py"]
            assert program[2] in get_commands()


def test_each_channel_has_a_consumer() -> None:
    assert programs(BUILT_HERE["email"])[0][2:] == ["run_consumer", "email"]
    assert programs(BUILT_HERE["sms"])[0][2:] == ["run_consumer", "sms"]
    assert programs(BUILT_HERE["dispatcher"])[0][2:] == ["run_dispatcher"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_read_by_somebody(name: str) -> None:
    known = KNOWN.get(name, set()) | (settings_read() if name in BUILT_HERE else set())

    assert set(SERVICES[name].get("environment", {})) <= known


@pytest.mark.parametrize("name", SERVERS)
def test_images_are_pinned_and_healthy_before_they_are_used(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)?", SERVERS[name]["image"])
    assert SERVERS[name]["healthcheck"]["test"][0] == "CMD"


def test_the_lines_are_those_that_were_promised() -> None:
    assert SERVERS["rabbitmq"]["image"].startswith("rabbitmq:4.")
    assert SERVERS["rabbitmq"]["image"].endswith("-management")
    assert SERVERS["postgres"]["image"].startswith("postgres:17.")


def test_nothing_waits_by_sleeping() -> None:
    for name, service in SERVICES.items():
        assert "sleep" not in str(service), name
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed == "migrate" else "service_healthy"
            assert how == {"condition": expected}, name


def test_tables_are_there_before_anything_starts() -> None:
    for name in ("web", "dispatcher", "email", "sms", "demo"):
        assert "migrate" in BUILT_HERE[name]["depends_on"]
    assert "postgres" in BUILT_HERE["migrate"]["depends_on"]


def test_what_is_scaled_has_neither_a_fixed_name_nor_a_published_port() -> None:
    assert all("container_name" not in service for service in SERVICES.values())
    assert all("ports" not in BUILT_HERE[name] for name in ("dispatcher", "email", "sms"))


def test_only_this_machine_can_reach_what_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert "127.0.0.1:8000:8000" in published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_first_up_ends_in_a_page_that_one_can_log_in_to() -> None:
    """Every variable that is left to the environment has a default, and plain HTTP keeps the session."""
    text = (PROJECT / "docker-compose.yml").read_text()

    variables = re.findall(r"\$\{([^}]+)\}", text)

    assert variables
    assert all(":-" in variable for variable in variables)
    assert BUILT_HERE["web"]["environment"]["HTTPS"] == "off"
    assert "local-use-only" in BUILT_HERE["web"]["environment"]["SECRET_KEY"]
    assert "DEBUG" not in BUILT_HERE["web"]["environment"]
    # So that they are refused once others may come: config/environment.py, notifier/staff/published_passwords.py.
    assert any(key in BUILT_HERE["web"]["environment"]["SECRET_KEY"] for key in PUBLISHED_KEYS)
    first = BUILT_HERE["migrate"]["environment"]
    user, password = (
        re.sub(r"\$\{\w+:-(.*)\}", r"\1", first[f"DJANGO_SUPERUSER_{part}"]) for part in ("USERNAME", "PASSWORD")
    )
    assert is_published(username=user, password=password)
    assert PUBLISHED_SERVER_PASSWORD in SERVERS["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert "ensure_superuser" in str(BUILT_HERE["migrate"]["command"])
    assert "healthz" in str(BUILT_HERE["web"]["healthcheck"]["test"])


def test_addresses_name_services_of_this_file() -> None:
    environment = BUILT_HERE["email"]["environment"]

    for name in ("DATABASE_URL", "BROKER_URL", "EMAIL_URL"):
        host = re.fullmatch(r"[a-z]+://(?:.*@)?([a-z]+):\d+.*", environment[name])
        assert host, name
        assert host[1] in SERVERS


def test_consumers_get_the_time_to_finish_what_they_send() -> None:
    for name in ("email", "sms"):
        assert int(BUILT_HERE[name]["stop_grace_period"].rstrip("s")) > 60


# --- Dockerfile -------------------------------------------------------------------------------------------------------
def test_the_image_is_pinned_small_and_runs_as_nobody_special() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)

    assert all(re.fullmatch(r"python:3\.13\.\d+-slim-\w+", base) for base in bases)
    assert users
    assert users[-1] not in ("root", "0")
    assert f"useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin {users[-1]}" in DOCKERFILE


def test_the_image_installs_by_hashes_and_brings_its_static_files() -> None:
    assert "--require-hashes -r requirements.txt" in DOCKERFILE
    assert "collectstatic --noinput" in DOCKERFILE
    assert not re.search(r"^(ENV|ARG) .*SECRET_KEY", DOCKERFILE, re.MULTILINE)


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)

    assert {"manage.py", "config", "notifier", "consumers", "templates", "locale", "requirements.txt"} == set(copied)
    for name in copied:
        assert (PROJECT / name).exists()
        assert f"!{name}" in ignored
    assert "*" in ignored
    assert "!.env" not in ignored
