"""The settings as a process sees them: `manage.py check` under an environment of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.settings import ABSENT, NEUTRAL
from tests.support.servers.processes import PATIENCE_SECONDS

PROJECT = Path(__file__).resolve().parents[2]
READER = re.compile(
    r'env\.(?:text|flag|names|whole|url|database|email|sms|rate|quiet_hours|cap|secrets)\(\s*"([A-Z_]+)"'
)


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DATABASE_URL")}
    command = [sys.executable, "manage.py", "check", *arguments]
    environment = known | {"ENV_FILE": os.devnull} | environment
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_without_a_secret_key_it_says_how_to_make_one() -> None:
    result = check()

    assert result.returncode != 0
    assert "SECRET_KEY is missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_all_mistakes_are_told_in_one_go_without_a_traceback() -> None:
    result = check(
        SECRET_KEY="x", DATABASE_URL="oracle://h", BROKER_URL="kafka://h", TICKET_SIZE="101", LOG_LEVEL="LOUD"
    )

    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    for name in ("DATABASE_URL begins with 'oracle'", "BROKER_URL begins with 'kafka'", "TICKET_SIZE", "LOG_LEVEL"):
        assert name in result.stderr


def test_a_deployment_is_secure_by_default() -> None:
    secret = "k" + "3Zq8w-Yt5Rn_" * 6

    result = check("--deploy", "--fail-level", "WARNING", SECRET_KEY=secret, PUBLIC_URL="https://notifier.example.com")

    assert result.returncode == 0, result.stderr


def test_a_provider_gets_its_keys_by_their_names_and_a_weak_secret_is_refused() -> None:
    told = check(SECRET_KEY="x", ANYMAIL_WEBHOOK_SECRET="notifier:short", ANYMAIL_SES_OPTIONS="{oops")

    assert told.returncode != 0
    assert "ANYMAIL_WEBHOOK_SECRET must be a name, a colon and a password" in told.stderr
    assert "ANYMAIL_SES_OPTIONS begins like JSON" in told.stderr
    assert "short" not in told.stderr

    backend = "anymail.backends.postmark.EmailBackend"
    told = check(SECRET_KEY="x", DEBUG="on", EMAIL_BACKEND=backend, ANYMAIL_POSTMARK_SERVER_TOKEN="t")

    assert "ANYMAIL_WEBHOOK_SECRET is missing" in told.stderr

    secret = {"ANYMAIL_WEBHOOK_SECRET": "notifier:long-enough-password"}
    told = check(SECRET_KEY="x", DEBUG="on", EMAIL_BACKEND=backend, ANYMAIL_POSTMARK_SERVER_TOKEN="t", **secret)

    assert told.returncode == 0, told.stderr


def test_the_example_lists_every_setting() -> None:
    read = set(READER.findall((PROJECT / "config/settings.py").read_text()))
    example = (PROJECT / ".env.example").read_text()

    listed = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))

    assert len(read) > 25
    assert listed == read


def test_each_setting_of_the_example_has_a_comment_of_its_own() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    settings = [number for number, line in enumerate(lines) if re.match(r"(?:# )?[A-Z_]+=", line)]

    for number in settings:
        above = lines[number - 1]
        assert above.startswith("# "), lines[number]
        assert number - 1 not in settings, lines[number]


def test_the_examples_defaults_are_the_settings_own(tmp_path: Path) -> None:
    """With every commented-out line switched on, nothing may change."""
    example = (PROJECT / ".env.example").read_text().replace("SECRET_KEY=\n", "SECRET_KEY=x\n", 1)
    for name, text in (("plain", example), ("full", re.sub(r"^# (?=[A-Z_]+=)", "", example, flags=re.MULTILINE))):
        # On by default only where DEBUG is off, and the example has it on.
        (tmp_path / name).write_text(text.replace("HTTPS=on", "HTTPS=off"))
    program = (
        "import config.settings as s; "
        "print({n: getattr(s, n) for n in sorted(dir(s)) if n.isupper() and n != 'SUPPORTED_REGIONS'})"
    )

    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "ENV_FILE": str(tmp_path / name)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("plain", "full")
    ]

    assert "EXPAND_CHUNK" in said[0]
    assert said[0].replace("'[::1]', 'localhost'", "'[::1]'") == said[1]


def test_neutral_ground_leaves_no_setting_to_the_developers_environment() -> None:
    read = set(READER.findall((PROJECT / "config/settings.py").read_text()))

    assert read - {"DATABASE_URL"} <= NEUTRAL.keys() | set(ABSENT)
