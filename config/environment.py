"""Reads values from the environment, and collects all mistakes, so that they are shown together."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from notifier.policies import rates

DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
BROKER_SCHEMES = ("database", "amqp", "amqps")
SMS_SCHEMES = ("console", "null", "file", "twilio")
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_BACKENDS = {
    "console": "consumers.backends.console.EmailBackend",
    "dummymail": "django.core.mail.backends.dummy.EmailBackend",
    "filemail": "django.core.mail.backends.filebased.EmailBackend",
    "smtp": SMTP_BACKEND,
    "smtp+tls": SMTP_BACKEND,
    "smtp+ssl": SMTP_BACKEND,
}
FOLDER_STORAGE = "django.core.files.storage.FileSystemStorage"
S3_STORAGE = "notifier.pictures.s3.PictureBucket"
S3_EXAMPLE = "s3://KEY:SECRET@s3.eu-west-1.amazonaws.com/bucket/folder?region=eu-west-1"
#: For libpq, so that it notices within 30 s when a database host is gone. Linux by itself takes two hours where a
#: statement is under way, 15 minutes where one can't be sent, and two for a new connection. DATABASE_URL may change
#: each of them.
DEAD_HOST = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: Their URLs name no host, and so there is no password in them.
HOSTLESS_SCHEMES = {"sqlite", "database", "console", "null", "file", "dummymail", "filemail"}
#: In docker-compose.yml, for a trial on one machine: whoever reads it could sign sessions and clients' links.
PUBLISHED_KEYS = {"for-local-use-only-every-reader-of-this-file-knows-it"}
#: How Django marks a key that it writes into code.
UNSAFE_PREFIX = "django-insecure-"
#: 16 random bytes in hexadecimal.
MIN_KEY_LENGTH = 32
#: Fewer different characters are no random text.
MIN_KEY_CHARACTERS = 8
SMTP_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}


class Environment:
    """The environment, with one method for each kind of value.

    These methods never raise. They note what is wrong and what to do, and return the default, so that `refuse_mistakes`
    can show all mistakes together.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.mistakes: list[str] = []
        self._env = environ.Env()

    def read_file(self, path: Path) -> None:
        """Read a `.env` file. What is set in the real environment wins."""
        if path.is_file():
            environ.Env.read_env(path)

    def refuse_mistakes(self) -> None:
        """Raise `ImproperlyConfigured` with a line for each mistake found so far, if there is any."""
        if self.mistakes:
            lines = "".join(f"\n  {line}" for line in self.mistakes)
            raise ImproperlyConfigured(f"the environment (or .env) has settings that can’t be used:{lines}")

    def text(self, name: str, default: str = "") -> str:
        return str(self._env.str(name, default=default)).strip()

    def names(self, name: str, default: list[str]) -> list[str]:
        value = self.text(name)
        return [part.strip() for part in value.split(",") if part.strip()] if value else default

    def prefixed(self, prefix: str) -> dict[str, Any]:
        """The variables with that prefix, by the rest of their names. JSON lists and objects are parsed."""
        names = [name for name in self._env.ENVIRON if name.startswith(prefix) and self.text(name)]
        return {name.removeprefix(prefix): self._plain_or_json(name) for name in names}

    def _plain_or_json(self, name: str) -> Any:
        value = self.text(name)
        if value[0] not in "[{":
            return {"true": True, "false": False}.get(value.lower(), value)
        try:
            return json.loads(value)
        except ValueError as error:
            self.mistakes.append(f"{name} looks like JSON but can’t be read: {error}.")
            return value

    def languages(self, name: str, default: str, *, folder: Path) -> tuple[str, ...]:
        """Codes such as en,de, each once, of which `folder` has a catalogue."""
        found = tuple(self.names(name, default.split(",")))
        there = sorted(path.parent.parent.name for path in folder.glob("*/LC_MESSAGES/django.mo"))
        if len(set(found)) < len(found) or not set(found) <= set(there):
            self.mistakes.append(
                f"{name} must name some of the languages {', '.join(there)}, each once, the default first."
            )
            return tuple(default.split(","))
        return found

    def by_language(self, name: str, codes: Sequence[str]) -> dict[str, str]:
        """The values of NAME_DE, NAME_FR and so on, by language, where they are set."""
        found = {code: self.text(f"{name}_{code.upper().replace('-', '_')}") for code in codes}
        return {code: text for code, text in found.items() if text}

    def secrets(self, name: str) -> list[str]:
        """Pairs of name and password, like `notifier:…`; the values are never shown."""
        found = self.names(name, [])
        if not all(re.fullmatch(r"[^:\s]+:\S{12,}", secret) for secret in found):
            self.mistakes.append(f"{name} must be a name, a colon and a password of at least 12 characters.")
            return []
        return found

    def refuse_published_keys(self, settings: Mapping[str, Sequence[str]]) -> None:
        """Notes those of these settings, each with its keys, of which one is published or can be guessed.

        No key is ever shown; an empty one is a setting that was left out.
        """
        for name, values in settings.items():
            keys = [key for key in values if key]
            if any(key in PUBLISHED_KEYS or key.startswith(UNSAFE_PREFIX) for key in keys):
                fault = "is published in docker-compose.yml or with other code, so everyone knows it"
            elif any(len(key) < MIN_KEY_LENGTH or len(set(key)) < MIN_KEY_CHARACTERS for key in keys):
                fault = f"is easy to guess: it needs {MIN_KEY_LENGTH} random characters"
            else:
                continue
            self.mistakes.append(
                f"{name} {fault}. PUBLIC_URL or ALLOWED_HOSTS is not for this machine only, so set another one, "
                "e.g. the output of python3 -c 'import secrets; print(secrets.token_urlsafe(50))'."
            )

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name).lower()
        if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
            return default if not value else value in ("1", "true", "yes", "on")
        self.mistakes.append(f"{name}={value!r} must be on or off: {name}=on or {name}=off.")
        return default

    def whole(self, name: str, default: int, *, least: int = 1, most: int = 10_000_000) -> int:
        value = self.text(name)
        if not value:
            return default
        if value.isascii() and value.isdigit() and least <= int(value) <= most:
            return int(value)
        self.mistakes.append(f"{name}={value!r} must be a whole number from {least} to {most}.")
        return default

    def rate(self, name: str) -> float | None:
        """Messages a second, of `50/s`, `600/m` or `1000/h`; None where it is left out: no limit."""
        value = self.text(name)
        if not value:
            return None
        try:
            return rates.read(value)
        except ValueError:
            self.mistakes.append(
                f"{name}={value!r} is not a rate. Write it like 50/s, 600/m or 1000/h, or leave it out."
            )
            return None

    def quiet_hours(self, name: str) -> tuple[time, time] | None:
        """A part of the day such as `21:00-08:00`: its first minute, and the first minute after it."""
        value = self.text(name).replace(" ", "")
        if not value:
            return None
        try:
            begin, end = (time.fromisoformat(part) for part in value.split("-"))
        except ValueError:
            begin = end = time()
        if begin == end or not re.fullmatch(r"\d\d:\d\d-\d\d:\d\d", value):
            self.mistakes.append(f"{name}={value!r} are not hours. Write them like 21:00-08:00, or leave it out.")
            return None
        return begin, end

    def cap(self, name: str) -> tuple[int, int] | None:
        """(messages, days) of e.g. `3/7d`; None where it is left out."""
        value = self.text(name).replace(" ", "")
        if not value:
            return None
        found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,2})d", value)
        if found is None:
            self.mistakes.append(f"{name}={value!r} is not a frequency cap. Write it like 3/7d (three in seven days).")
            return None
        return int(found[1]), int(found[2])

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        """The value, if its scheme is one of `schemes` and its parts can be read. No complaint quotes it: it may hold
        a password.
        """
        value = self.text(name, default) or default
        scheme = value.partition("://")[0] if "://" in value else ""
        if scheme not in schemes:
            begins = f"begins with {scheme!r}" if re.fullmatch(r"[a-z0-9+.-]{1,20}", scheme) else "has no scheme"
            known = ", ".join(f"{scheme}://" for scheme in schemes)
            self.mistakes.append(f"{name} {begins}; use one of {known}.")
            return default
        if scheme not in HOSTLESS_SCHEMES and not _is_readable(value):
            self.mistakes.append(
                f"{name} can’t be read as an address. Are there special characters in its user name or its password? "
                "Use %2F for /, %23 for #, %3F for ?, %40 for @, %5B and %5D for [ and ]."
            )
            return default
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        value = self.url(name, default, DATABASE_SCHEMES)
        parsed = dict(environ.Env.db_url_config(value))
        options = parsed.setdefault("OPTIONS", {})
        # ?pool=true arrives as the string "true", which psycopg's pool refuses.
        pool = str(options.pop("pool", "")).lower() in ("1", "true", "yes", "on")
        if "sqlite" in parsed["ENGINE"]:
            return self._sqlite(parsed)
        self._need(name, parsed["NAME"], "has no database name: postgres://user:password@host:5432/name.")
        parsed["OPTIONS"] = options = DEAD_HOST | options
        if pool:
            options["pool"] = True
        # The pool keeps connections itself, and refuses CONN_MAX_AGE.
        return parsed | {"CONN_MAX_AGE": 0 if pool else 60, "CONN_HEALTH_CHECKS": not pool}

    def _sqlite(self, parsed: dict[str, Any]) -> dict[str, Any]:
        path = self.base / str(parsed["NAME"])
        # WAL lets pages read while a consumer writes. IMMEDIATE takes the write lock first: transactions that read and
        # then write wait for `timeout` instead of failing at once. FULL, because a claim must survive a power cut.
        options = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000;",
        }
        # Tests get a file too, because a database in memory has neither WAL nor a second connection.
        test = {"NAME": str(path.with_name("test.sqlite3"))}
        return parsed | {"NAME": str(path), "OPTIONS": options, "TEST": test, "CONN_MAX_AGE": None}

    def email(self, name: str, default: str, backend: str) -> dict[str, Any]:
        """Django's EMAIL_… settings from one URL. `backend`, a dotted path, replaces the scheme's own."""
        value = self.url(name, default, tuple(EMAIL_BACKENDS))
        parts = urlsplit(value)
        folder = (parts.netloc + parts.path).strip("/")
        self._need(name, parts.scheme != "filemail" or folder, "has no folder. Write it like filemail:////var/mail.")
        return {
            "EMAIL_BACKEND": backend or EMAIL_BACKENDS[parts.scheme],
            "EMAIL_HOST": parts.hostname or "localhost",
            "EMAIL_PORT": parts.port or SMTP_PORTS.get(parts.scheme, 25),
            "EMAIL_HOST_USER": unquote(parts.username or ""),
            "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
            "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
            "EMAIL_USE_SSL": parts.scheme == "smtp+ssl",
            "EMAIL_FILE_PATH": str(self.base / (parts.netloc + parts.path)) if parts.scheme == "filemail" else None,
        }

    def sms(self, name: str, default: str) -> str:
        value = self.url(name, default, SMS_SCHEMES)
        parts = urlsplit(value)
        if parts.scheme == "file" and not (parts.netloc + parts.path).strip("/"):
            self.mistakes.append(f"{name} has no file. Write it like file:///var/log/sms.log.")
        if parts.scheme == "twilio":
            self._need(
                name,
                parts.username and parts.password,
                "has no SID and token: twilio://SID:TOKEN@api.twilio.com/?from=+…",
            )
            self._need(name, parts.hostname, "has no host: twilio://SID:TOKEN@api.twilio.com/?from=+…")
            self._need(name, parse_qs(parts.query).get("from"), "has no sender: add ?from=+15005550006 at the end.")
        return value

    def pictures(self, name: str, *, folder: str) -> dict[str, Any]:
        """Django's storage for the pictures of e-mails: the bucket that the URL names, or else the folder."""
        if not self.text(name):
            return {"BACKEND": FOLDER_STORAGE, "OPTIONS": {"location": str(self.base / folder)}}
        parts = urlsplit(self.url(name, S3_EXAMPLE, ("s3",)))
        asked = parse_qs(parts.query)
        bucket, _, inside = parts.path.strip("/").partition("/")
        self._need(name, parts.username and parts.password and bucket, f"is not complete. Write it like {S3_EXAMPLE}.")
        scheme = "http" if asked.get("insecure") == ["1"] else "https"
        options = {
            "access_key": unquote(parts.username or ""),
            "secret_key": unquote(parts.password or ""),
            "bucket_name": bucket,
            "location": inside,
            "endpoint_url": f"{scheme}://{parts.netloc.rpartition('@')[2]}",
            "region_name": asked.get("region", ["us-east-1"])[0],
        }
        return {"BACKEND": S3_STORAGE, "OPTIONS": options}

    def _need(self, name: str, there: object, complaint: str) -> None:
        if not there:
            self.mistakes.append(f"{name} {complaint}")

    def spelled(self, name: str, value: str, spell: Callable[[str], str], example: str) -> str:
        """`value` as `spell` writes it; "" if it is empty or `spell` refuses it, and then a mistake is noted."""
        try:
            return spell(value) if value else ""
        except ValueError as error:
            self.mistakes.append(f"{name} {error}. Write it like {example}.")
            return ""

    def checked(self, name: str, value: str, accepts: Callable[[str], bool], complaint: str) -> str:
        """`value` if it is empty or accepted; otherwise "", and a mistake with `complaint` is noted."""
        if value and not accepts(value):
            self.mistakes.append(f"{name}={value!r} {complaint}")
            return ""
        return value


def _is_readable(value: str) -> bool:
    """Whether the URL has its user name and password where they belong, and not behind a / # or ? in them."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return "@" in parts.netloc or "@" not in value
