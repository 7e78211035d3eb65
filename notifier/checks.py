"""What `manage.py check` says about settings that are valid but don't go together."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from django.utils.module_loading import import_string

from notifier.runtime import database_needs, failpoints, this_machine
from notifier.staff import published_passwords

#: The checks' tag. What sends asks for these alone at its start: it serves none of the pages that the others look at.
SETTINGS = "settings"
#: Seconds a message of the slowest provider that a ticket's lifetime should be long enough for.
SLOW_SEND_SECONDS = 4
#: A mail has nine phases, from the connect to the answer after the text, and each may take EMAIL_TIMEOUT.
SMTP_PHASES = 9
#: Whom an SMS may come from: a number or a short code; or a name, to which nobody can answer.
_NUMBER_AS_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}")
_NAME_AS_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
PUBLISHED_SERVER_PASSWORD = "notifier"  # noqa: S105  (that it is known is what is checked)
CONSOLE_BACKEND = "consumers.backends.console.EmailBackend"


@register(SETTINGS)
def check_times(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_check_lifetime(), *_check_lease()]


@register(SETTINGS)
def check_failpoint(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not failpoints.is_armed():
        return []
    return [
        Warning(
            f"{failpoints.ENVIRONMENT_NAME} is set: this process will kill, stop or fail itself on purpose.",
            hint="It is only for the fault tests: remove it from the environment.",
            id="notifier.W003",
        )
    ]


@register(SETTINGS)
def check_email_backend(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """EMAIL_BACKEND may be any path, so a misprint must show before a command starts, not with the first mail."""
    try:
        import_string(settings.EMAIL_BACKEND)
    except ImportError as error:
        return [
            Error(
                f"EMAIL_BACKEND={settings.EMAIL_BACKEND!r} can’t be imported: {error}",
                hint="Use the dotted path of a Django mail backend, or remove EMAIL_BACKEND and use EMAIL_URL.",
                id="notifier.E001",
            )
        ]
    return []


@register(SETTINGS)
def check_mail_password(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    is_plain = not settings.EMAIL_USE_TLS and not settings.EMAIL_USE_SSL
    if settings.EMAIL_BACKEND != settings.SMTP_BACKEND or not settings.EMAIL_HOST_USER or not is_plain:
        return []
    if this_machine.is_this_machine(settings.EMAIL_HOST):
        return []
    return [
        Warning(
            f"EMAIL_URL sends the password to {settings.EMAIL_HOST} unencrypted.",
            hint="Use smtp+tls:// (STARTTLS, port 587) or smtp+ssl:// (port 465).",
            id="notifier.W006",
        )
    ]


@register(SETTINGS)
def check_mail_events(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.EMAIL_BACKEND.startswith("anymail.backends."):
        return []
    if settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return _check_signing_key()
    return [
        Error(
            "ANYMAIL_WEBHOOK_SECRET is missing: the provider’s reports of bounces and complaints can’t be accepted, "
            "because anyone could send them.",
            hint="Set it to notifier:<a long random password>, and give the provider "
            f"{settings.PUBLIC_URL}/hooks/mail/… with that name and password: see docs/consent.md.",
            id="notifier.E006",
        )
    ]


@register(SETTINGS)
def check_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A folder or file that can't be written is no outage that passes: consumers would wait for ever."""
    found = []
    if settings.EMAIL_FILE_PATH and (why := _no_folder(Path(settings.EMAIL_FILE_PATH))):
        found.append(_unwritable("EMAIL_URL", "filemail:////var/mail", why, id="notifier.E002"))
    sms = urlsplit(settings.SMS_URL)
    if sms.scheme == "file" and (why := _no_file(Path(settings.BASE_DIR) / unquote(sms.netloc + sms.path))):
        found.append(_unwritable("SMS_URL", "file:///var/log/sms.log", why, id="notifier.E003"))
    return found


@register(SETTINGS)
def check_sms_sender(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Twilio refuses each message of a sender that can't be one, after all of them were counted and claimed."""
    address = urlsplit(settings.SMS_URL)
    options = dict(part.partition("=")[::2] for part in address.query.split("&"))
    sender = unquote(options.get("from", ""))
    if address.scheme != "twilio" or _NUMBER_AS_SENDER.fullmatch(sender):
        return []
    if not _NAME_AS_SENDER.fullmatch(sender):
        return [
            Error(
                f"The sender in SMS_URL, {sender!r}, is not valid. It must be a number like +15005550006, a short "
                "code of 3 to 8 digits, or a name of up to 11 letters, digits and spaces with at least one letter.",
                hint="Put it after from= in SMS_URL, as your provider shows it.",
                id="notifier.E010",
            )
        ]
    return [
        Warning(
            f"The sender in SMS_URL, {sender!r}, is a name. Clients can’t reply to it, so they can’t reply STOP.",
            hint="Use a number, or give clients another way to stop. Many countries reject names or require "
            "registration.",
            id="notifier.W010",
        )
    ]


def _check_signing_key() -> list[CheckMessage]:
    # By its name, because whoever uses no such provider need not load it.
    missing = import_string("notifier.webhooks.email_events.missing_setting")()
    if not missing:
        return []
    return [
        Error(
            f"ANYMAIL_{missing} is missing: without it the provider’s reports of bounces and complaints can’t be "
            "accepted.",
            hint="It is the key with which the provider signs its reports. You find it on the provider’s website.",
            id="notifier.E008",
        )
    ]


@register(SETTINGS)
def check_public_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every mail has an unsubscribe link. It must work by law, and providers soon refuse mails in which it doesn't."""
    address = urlsplit(settings.PUBLIC_URL)
    if this_machine.is_linked_to() and (not settings.DEBUG or _reaches_clients()):
        return [
            Warning(
                f"PUBLIC_URL={settings.PUBLIC_URL} is an address on the client’s own machine, so nobody can "
                "unsubscribe by the links in messages.",
                hint="Set PUBLIC_URL to the address where clients can reach this server, like https://news.example.com.",
                id="notifier.W004",
            )
        ]
    if address.scheme != "https" and _reaches_clients():
        return [
            Warning(
                f"PUBLIC_URL={settings.PUBLIC_URL} is plain HTTP, so e-mails can’t offer one-click unsubscribe "
                "(RFC 8058), which large mailbox providers require for bulk mail.",
                hint="Serve over HTTPS, and start PUBLIC_URL with https://.",
                id="notifier.W005",
            )
        ]
    return []


@register(Tags.database)
def check_database(app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Asks the database, so before `migrate` and with `check --database default` only."""
    found = []
    for alias in databases or ():
        try:
            found += database_needs.lacking(connections[alias])
        except DatabaseError:
            # The next command says what is wrong with it.
            continue
    return [Error(lack.what, hint=lack.remedy, id="notifier.E011") for lack in found]


@register(SETTINGS, deploy=True)
def check_published_passwords(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Asks the database, so with `check --deploy` only. The log-in refuses them as well."""
    if this_machine.is_tried_out():
        return []
    try:
        users = list(User.objects.filter(username__in=published_passwords.NAMES, is_active=True).order_by("username"))
    except DatabaseError:
        # Another check, or the next command, says what is wrong with it.
        return []
    names = [user.username for user in users if user.check_password(user.username)]
    if not names:
        return []
    return [
        Error(
            f"The password of {', '.join(names)} is published in the documentation, so they can’t log in with it.",
            hint=f"python manage.py changepassword {names[0]}, or deactivate the user.",
            id="notifier.E007",
        )
    ]


@register(SETTINGS, deploy=True)
def check_published_server_passwords(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Those of docker-compose.yml: nobody outside reaches its servers, as long as their ports stay closed."""
    named = {
        "DATABASE_URL": settings.DATABASES["default"].get("PASSWORD"),
        "BROKER_URL": urlsplit(settings.BROKER_URL).password,
    }
    names = [name for name, password in named.items() if password == PUBLISHED_SERVER_PASSWORD]
    if this_machine.is_tried_out() or not names:
        return []
    return [
        Warning(
            f"{' and '.join(names)}: the password is the one published in docker-compose.yml.",
            hint="Set POSTGRES_PASSWORD and RABBITMQ_PASSWORD, or the addresses themselves, to your own passwords.",
            id="notifier.W007",
        )
    ]


def _reaches_clients() -> bool:
    """Whether mails leave this machine: by a server or an unknown backend, not into a file, a console or nothing."""
    backend = settings.EMAIL_BACKEND
    if backend == settings.SMTP_BACKEND:
        return not this_machine.is_this_machine(settings.EMAIL_HOST)
    return not backend.startswith("django.core.mail.backends.") and backend != CONSOLE_BACKEND


def _unwritable(setting: str, example: str, why: str, *, id: str) -> CheckMessage:
    hint = f"Make it writable for the user that the consumers run as, or choose another path, like {example}."
    return Error(f"{setting} points to a path that can’t be written to: {why}.", hint=hint, id=id)


def _no_folder(folder: Path) -> str:
    """Why no file can be made in the folder; "" if one can. The folder itself is made if it is missing."""
    # os.path, because a Path raises if a folder above may not be read.
    nearest = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    if not os.path.isdir(nearest):
        return f"{nearest} is not a folder"
    return "" if _may(nearest, os.W_OK | os.X_OK) else f"the folder {nearest} is read-only"


def _no_file(file: Path) -> str:
    """Why nothing can be added to the file; "" if it can. Its folder must exist."""
    if os.path.isdir(file):
        return f"{file} is a folder"
    if os.path.exists(file):
        return "" if _may(file, os.W_OK) else f"the file {file} is read-only"
    return _no_folder(file.parent) if os.path.exists(file.parent) else f"there is no folder {file.parent}"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _check_lifetime() -> list[CheckMessage]:
    queued = settings.QUEUE_ROOM * settings.TICKET_SIZE
    slowest = min(settings.CONCURRENCY.values()) / SLOW_SEND_SECONDS
    needed = int(queued / slowest)
    if needed <= settings.TICKET_LIFETIME_SECONDS:
        return []
    return [
        Warning(
            f"TICKET_LIFETIME_SECONDS={settings.TICKET_LIFETIME_SECONDS} is short: a full queue of {queued} messages "
            f"may take {needed} s, and its tickets would be issued twice (harmless, but wasted work).",
            hint=f"Set TICKET_LIFETIME_SECONDS to {needed} or more, or lower QUEUE_ROOM.",
            id="notifier.W001",
        )
    ]


def _check_lease() -> list[CheckMessage]:
    needed = settings.EMAIL_TIMEOUT * SMTP_PHASES
    if needed <= settings.LEASE_SECONDS:
        return []
    return [
        Warning(
            f"LEASE_SECONDS={settings.LEASE_SECONDS} is shorter than one e-mail may take ({needed} s with "
            f"EMAIL_TIMEOUT={settings.EMAIL_TIMEOUT}): a slow e-mail is given up before the mail server has finished "
            "answering.",
            hint=f"Set LEASE_SECONDS to {needed} or more, or lower EMAIL_TIMEOUT.",
            id="notifier.W002",
        )
    ]
