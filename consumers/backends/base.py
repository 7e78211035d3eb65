"""What every send backend does, and the ways in which a send can go wrong."""

import math
import re
import socket
import time
from datetime import timedelta
from typing import Protocol, runtime_checkable

from django.conf import settings

from notifier.consent.suppressions import Evidence, Source
from notifier.messages.outgoing import Outgoing as Outgoing  # backends find here all that they have to know
from notifier.runtime import foreign_text

#: The share of its lease that one send may use: its result has to be written within the rest.
LEASE_SHARE = 0.9
# It begins where a word does: tried at every letter of a long word without an @, it would read that again each time.
# A quoted local part may have blanks in it.
_ADDRESS = re.compile(r"<?(?:\"[^\"<>]{1,64}\"|(?<![^\s<>@])[^\s<>@]+)@[^\s<>]+>?")


class SendFailure(Exception):
    """The message was not sent, or may not have been; the text says what the provider answered, without the address."""

    #: Set where the answer says that nothing more may be sent to the address: why, as the suppression keeps it.
    suppress: Evidence | None = None

    def __init__(self, detail: str = "") -> None:
        super().__init__(foreign_text.cleaned(detail))


class TemporaryFailure(SendFailure):
    """This recipient can't be reached now and may be later. `wait` is set where the provider named a time."""

    def __init__(self, detail: str, *, wait: timedelta | None = None) -> None:
        super().__init__(detail)
        self.wait = wait


class PermanentFailure(SendFailure):
    """This recipient can't be reached, however often it is tried."""


class NoMessage(PermanentFailure):
    """No message can be made for this recipient: the provider was given nothing, and is not to blame."""


class RecipientRefused(SendFailure):
    """The recipient has opted out at the provider. It counts as no failure, and their address is suppressed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.suppress = Evidence(Source.CLIENT, str(self))


class ChannelDown(SendFailure):
    """The provider itself can't be used: no message was handed over, and no recipient is to blame."""


class PerhapsDown(ChannelDown):
    """It refuses in words about us, but knew the recipient by then: it may refuse that one message alone.

    The sender finds out, by what becomes of other messages.
    """


class OutcomeUnknown(SendFailure):
    """The message was handed over and the answer was lost: it may arrive, and is never sent again by itself."""


class SendBackend(Protocol):
    """Sends one message at a time, from one thread. Opens its connection when it must, and keeps it."""

    #: How long one send can take at the worst, all time-outs together.
    longest_send_seconds: float

    def send(self, message: Outgoing) -> str:
        """Returns once the provider has taken the message: its id there, or "". Raises one of the failures."""

    def close(self) -> None: ...


@runtime_checkable
class OpensFirst(Protocol):
    """A backend that connects and logs in before the first message."""

    def open(self) -> None:
        """Get the connection ready, if it isn't. Raises `ChannelDown`."""


@runtime_checkable
class Hurries(Protocol):
    """A backend that can be told that the process stops, and when it has to have let go of the provider."""

    #: How long one exchange with the provider takes at the most: a command and its answer, or a request and its answer.
    answer_seconds: float

    def hurry(self, until: float) -> None:
        """Give up at `until` (monotonic seconds), also in the midst of a send. Called from another thread."""


def masked(error: object) -> str:
    """The error's text without e-mail addresses: it is kept, logged and shown."""
    return _ADDRESS.sub("…", str(error)) or type(error).__name__


class Deadline:
    """When one send must have ended, and each of its steps: to connect, to shake hands, a command with its answer.

    The time-out of a socket is not enough: it begins anew with every byte.
    """

    def __init__(self, *, seconds: float) -> None:
        self.seconds = min(seconds, LEASE_SHARE * settings.LEASE_SECONDS)
        self._ends_at = 0.0
        self._step_ends_at = math.inf
        self._step_seconds = 0.0
        #: When the process that stops lets go of the provider.
        self._latest = math.inf

    def begin(self) -> None:
        self._ends_at, self._step_ends_at = time.monotonic() + self.seconds, math.inf

    def begin_step(self, seconds: float) -> None:
        self._step_ends_at, self._step_seconds = time.monotonic() + seconds, seconds

    def hurry(self, until: float) -> None:
        self._latest = until

    def left(self) -> float:
        """How long the present step may go on. Raises `TimeoutError` once there is no time left."""
        now = time.monotonic()
        if now >= self._ends_at:
            raise TimeoutError(f"it took more than {self.seconds:g} s altogether")
        if now >= self._step_ends_at:
            raise TimeoutError(f"one answer took more than {self._step_seconds:g} s")
        if now >= self._latest:
            raise TimeoutError("there was no answer by the time the process had to stop")
        return min(self._ends_at, self._step_ends_at, self._latest) - now


def addresses_of(host: str, port: int) -> list[str]:
    """Where a name leads to, each to be tried in turn: `socket.create_connection` gives each of them the whole time.

    Raises `OSError` for a name that leads nowhere.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
