"""The settings as a process sees them: `manage.py check` under an environment of its own."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.settings import ABSENT, NEUTRAL
from tests.support.servers.forking import READ_AT_START
from tests.support.servers.processes import Process

PROJECT = Path(__file__).resolve().parents[2]
READER = re.compile(
    r'env\.(?:text|flag|names|whole|url|database|email|pictures|sms|rate|languages|quiet_hours|cap|secrets)\(\s*"([A-Z_]+)"'
)


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """All that it says is taken for errors."""
    kept = ("PATH", "HOME", "DATABASE_URL")
    known = {name: value for name, value in os.environ.items() if name in kept or name.startswith(READ_AT_START)}
    env = known | {"ENV_FILE": os.devnull, "PYTHONUNBUFFERED": "1"} | environment
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "manage.py", "check", *arguments]
        process = Process(command, log=Path(folder) / "log", env=env, cwd=PROJECT, forks=True)
        return subprocess.CompletedProcess(process.argv, process.wait(), stderr=process.output())


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


def test_a_bucket_for_pictures_that_is_not_complete_is_refused_without_its_password() -> None:
    for url in ("s3://s3.example.com/bucket", "s3://key:geheim@s3.example.com", "https://key:geheim@s3.example.com/b"):
        told = check(SECRET_KEY="x", PICTURES_S3_URL=url)

        assert told.returncode != 0
        assert "PICTURES_S3_URL" in told.stderr
        assert "geheim" not in told.stderr


def test_a_provider_gets_its_keys_by_their_names_and_a_weak_secret_is_refused() -> None:
    told = check(SECRET_KEY="x", ANYMAIL_WEBHOOK_SECRET="notifier:short", ANYMAIL_SES_OPTIONS="{oops")

    assert told.returncode != 0
    assert "ANYMAIL_WEBHOOK_SECRET must be a name, a colon and a password" in told.stderr
    assert "ANYMAIL_SES_OPTIONS looks like JSON" in told.stderr
    assert "short" not in told.stderr

    backend = "anymail.backends.postmark.EmailBackend"
    told = check(SECRET_KEY="x", DEBUG="on", EMAIL_BACKEND=backend, ANYMAIL_POSTMARK_SERVER_TOKEN="t")

    assert "ANYMAIL_WEBHOOK_SECRET is missing" in told.stderr

    secret = {"ANYMAIL_WEBHOOK_SECRET": "notifier:long-enough-password"}
    told = check(SECRET_KEY="x", DEBUG="on", EMAIL_BACKEND=backend, ANYMAIL_POSTMARK_SERVER_TOKEN="t", **secret)

    assert told.returncode == 0, told.stderr


PUBLIC = {"PUBLIC_URL": "https://notifier.example.com"}
GOOD_KEY = "k3Zq8w-Yt5Rn_" * 3
#: Every key that a file of ours holds for a trial, a build or a check.
OUR_KEYS = sorted(
    {
        key
        for name in ("docker-compose.yml", "Dockerfile", "Makefile", ".env.example")
        for key in re.findall(r"SECRET_KEY(?:[=:]\s*)(?:\$\{SECRET_KEY:-)?([a-z][\w-]+)", (PROJECT / name).read_text())
    }
)


@pytest.mark.parametrize("key", [*OUR_KEYS, "x", "a" * 60, "secret" * 8, GOOD_KEY[:31]])
def test_a_key_that_others_know_or_can_guess_is_refused_where_others_come(key: str) -> None:
    told = check(SECRET_KEY=key, **PUBLIC)

    assert told.returncode != 0
    assert "SECRET_KEY is published" in told.stderr or "SECRET_KEY is easy to guess" in told.stderr
    assert "secrets.token_urlsafe(50)" in told.stderr
    # Nothing repeats it, were it only nearly right.
    assert len(key) < 10 or key not in told.stderr
    assert check(SECRET_KEY=key).returncode == 0


@pytest.mark.parametrize("host", ["news.example.com", "*", ".example.com", "192.0.2.7"])
def test_a_host_name_for_others_makes_it_theirs_whatever_public_url_says(host: str) -> None:
    told = check(SECRET_KEY=OUR_KEYS[0], DEBUG="on", ALLOWED_HOSTS=f"localhost,{host}")

    assert told.returncode != 0
    assert "SECRET_KEY is published" in told.stderr or "SECRET_KEY can be guessed" in told.stderr
    assert f"“{host}” is not for this machine only: set DEBUG=off" in told.stderr
    assert (
        check(SECRET_KEY=OUR_KEYS[0], DEBUG="on", ALLOWED_HOSTS="localhost,127.0.0.1,[::1],.localhost").returncode == 0
    )


def test_djangos_own_beginning_of_a_key_in_code_is_refused() -> None:
    told = check(SECRET_KEY=f"django-insecure-{GOOD_KEY}", **PUBLIC)

    assert (told.returncode != 0, "SECRET_KEY is published" in told.stderr) == (True, True)


def test_so_is_one_among_those_of_before() -> None:
    told = check(SECRET_KEY=GOOD_KEY, SECRET_KEY_FALLBACKS=f"{GOOD_KEY}1,{OUR_KEYS[0]}", **PUBLIC)

    assert told.returncode != 0
    assert "SECRET_KEY_FALLBACKS" in told.stderr


@pytest.mark.parametrize("key", [OUR_KEYS[0], "x", "a" * 60, GOOD_KEY[:31]])
def test_so_is_one_that_erased_addresses_could_be_read_by(key: str) -> None:
    told = check(SECRET_KEY=GOOD_KEY, CONSENT_KEY=key, **PUBLIC)

    assert told.returncode != 0
    assert "CONSENT_KEY is published" in told.stderr or "CONSENT_KEY is easy to guess" in told.stderr
    assert len(key) < 10 or key not in told.stderr
    assert check(SECRET_KEY=GOOD_KEY, CONSENT_KEY=key).returncode == 0


def test_a_key_of_its_own_may_have_commas() -> None:
    key = f"{GOOD_KEY[:20]},{GOOD_KEY[20:]}"

    assert check(SECRET_KEY=key, CONSENT_KEY=f"{key},2", DEBUG="off", **PUBLIC).returncode == 0


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("https://notifier.example.com", True),
        ("http://192.0.2.7:8000", True),
        ("http://0.0.0.0:8000", True),
        ("http://localhost.example.com", True),
        ("http://localhost:8001", False),
        ("http://trial.localhost", False),
        ("http://127.0.1.1", False),
        ("http://[::1]:8000", False),
    ],
)
def test_debug_is_for_this_machine_alone(url: str, is_refused: bool) -> None:
    told = check(SECRET_KEY=GOOD_KEY, DEBUG="on", PUBLIC_URL=url)

    assert ("DEBUG=on shows code and settings" in told.stderr, told.returncode != 0) == (is_refused, is_refused)


def test_our_keys_are_found() -> None:
    assert "for-local-use-only-every-reader-of-this-file-knows-it" in OUR_KEYS
    assert len(OUR_KEYS) > 2


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
