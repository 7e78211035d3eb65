"""Settings that can be used and don't go together, told by `manage.py check`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from notifier import failpoints

#: The slowest provider that the ticket's lifetime is expected to bear: so many seconds a message.
SLOW_SEND_SECONDS = 4
#: A mail passes nine phases, from the connect to the answer after the text, each of which may take EMAIL_TIMEOUT.
SMTP_PHASES = 9


@register
def check_times(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [*_check_lifetime(), *_check_lease()]


@register
def check_failpoint(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not failpoints.is_armed():
        return []
    return [
        Warning(
            f"{failpoints.ENVIRONMENT_NAME} is set: this process will kill, stop or fail itself on purpose.",
            hint="It is for the fault tests only: take it out of the environment.",
            id="notifier.W003",
        )
    ]


@register
def check_email_backend(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """EMAIL_BACKEND may be anything: a misprint is told before a command starts, and not by the first mail."""
    try:
        import_string(settings.EMAIL_BACKEND)
    except ImportError as error:
        return [
            Error(
                f"EMAIL_BACKEND={settings.EMAIL_BACKEND!r} can't be imported: {error}",
                hint="Write the dotted path of a Django mail backend, or leave EMAIL_BACKEND out and use EMAIL_URL.",
                id="notifier.E001",
            )
        ]
    return []


def _check_lifetime() -> list[CheckMessage]:
    queued = settings.QUEUE_ROOM * settings.TICKET_SIZE
    slowest = min(settings.CONCURRENCY.values()) / SLOW_SEND_SECONDS
    needed = int(queued / slowest)
    if needed <= settings.TICKET_LIFETIME_SECONDS:
        return []
    return [
        Warning(
            f"TICKET_LIFETIME_SECONDS={settings.TICKET_LIFETIME_SECONDS} is short: a full queue of {queued} deliveries "
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
            f"LEASE_SECONDS={settings.LEASE_SECONDS} is shorter than one mail may take ({needed} s with "
            f"EMAIL_TIMEOUT={settings.EMAIL_TIMEOUT}): slow mails would be shown as unknown before they end.",
            hint=f"Set LEASE_SECONDS to {needed} or more, or lower EMAIL_TIMEOUT.",
            id="notifier.W002",
        )
    ]
