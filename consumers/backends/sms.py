"""The backend that sends SMS, chosen by SMS_URL's scheme; and those that send nothing: the console, a file, none."""

import json
import threading
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from consumers.backends.base import ChannelDown, Hurries, NoMessage, Outgoing, SendBackend
from consumers.backends.console import print_line
from consumers.backends.twilio import TwilioBackend
from notifier.addresses import phones
from notifier.policies import sms_countries

_file_lock = threading.Lock()


def get_backend() -> SendBackend:
    backends: dict[str, type[ConsoleBackend | NullBackend | FileBackend | TwilioBackend]] = {
        "console": ConsoleBackend,
        "null": NullBackend,
        "file": FileBackend,
        "twilio": TwilioBackend,
    }
    backend = backends[urlsplit(settings.SMS_URL).scheme](settings.SMS_URL)
    return CountryLimit(backend, settings.SMS_COUNTRIES) if settings.SMS_COUNTRIES else backend


class CountryLimit:
    """Hands to another backend what goes to these countries, at no special price; the rest fails for good, which says
    nothing about the provider.

    Whoever could enter numbers elsewhere, or numbers of their own at a premium, would earn by each message.
    """

    def __init__(self, backend: SendBackend, countries: Collection[str]) -> None:
        self._backend = backend
        self._countries = countries
        self.longest_send_seconds = backend.longest_send_seconds
        self.answer_seconds = backend.answer_seconds if isinstance(backend, Hurries) else backend.longest_send_seconds

    def send(self, message: Outgoing) -> str:
        if why := phones.why_not_within(message.address, self._countries):
            raise NoMessage(f"not sent: {sms_countries.NOT_ALLOWED} {why}")
        return self._backend.send(message)

    def hurry(self, until: float) -> None:
        if isinstance(self._backend, Hurries):
            self._backend.hurry(until)

    def close(self) -> None:
        self._backend.close()


class NullBackend:
    """Takes everything and sends nothing."""

    longest_send_seconds = 1.0

    def __init__(self, url: str) -> None:
        pass

    def send(self, message: Outgoing) -> str:
        return ""

    def close(self) -> None:
        pass


class ConsoleBackend(NullBackend):
    def send(self, message: Outgoing) -> str:
        print_line(f"SMS to {message.address}: {' '.join(message.body.split())}")
        return ""


class FileBackend(NullBackend):
    """Appends one JSON line a message."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = Path(settings.BASE_DIR) / unquote(parts.netloc + parts.path)

    def send(self, message: Outgoing) -> str:
        line = json.dumps({"reference": message.reference, "to": message.address, "text": message.body})
        try:
            with _file_lock, self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise ChannelDown(f"the file for SMS can’t be written: {error.strerror}") from error
        return ""
