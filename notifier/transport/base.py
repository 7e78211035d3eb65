"""What every transport can do: carry tickets from the dispatcher to the consumers of a channel."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from notifier.models import Channel

TICKET_VERSION = 1
#: A ticket with a hundred 19-digit ids takes about 2 KiB; anything much larger is not ours.
MAX_BODY_BYTES = 16_384

DeliveryId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class TransportError(Exception):
    """The broker can't be used right now; what was published may or may not have arrived. Trying again is safe."""


class BadTicket(Exception):
    """The body is not a ticket of ours, so there is no use in trying again."""


class Ticket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Says that these deliveries of one broadcast and channel may be ready to send.

    Losing, repeating or delaying one is harmless: the claim decides.
    """

    broadcast: DeliveryId
    channel: Channel
    deliveries: Annotated[tuple[DeliveryId, ...], msgspec.Meta(min_length=1, max_length=100)]
    v: int = TICKET_VERSION


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Ticket)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
#: Parts of msgspec's messages that quote the body, which may contain anybody's address.
_QUOTED = re.compile(r"(unknown field|enum value) .*", re.DOTALL)


def encode(ticket: Ticket) -> bytes:
    return _encoder.encode(ticket)


def decode(body: bytes, *, channel: Channel) -> Ticket:
    """The ticket in `body`; otherwise `BadTicket`, which says what is wrong without quoting the body."""
    if len(body) > MAX_BODY_BYTES:
        raise BadTicket(f"it is longer than {MAX_BODY_BYTES} bytes")
    try:
        ticket = _decoder.decode(body)
    except _UNREADABLE as error:
        raise BadTicket(_QUOTED.sub(r"\1", str(error))) from error
    if ticket.v != TICKET_VERSION:
        raise BadTicket(f"its version is {ticket.v}, and this program reads version {TICKET_VERSION}")
    if ticket.channel != channel:
        raise BadTicket(f"it is for the channel {ticket.channel.value} and came through {channel.value}")
    return ticket


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside because it could not be read, or because a consumer rejected it."""

    body: bytes
    #: The channel of the queue that it came through; None where the broker doesn't say.
    channel: Channel | None

    @property
    def ticket(self) -> Ticket | None:
        """The ticket in it, whatever its version and channel; None where it has not the shape of one."""
        if len(self.body) > MAX_BODY_BYTES:
            return None
        try:
            return _decoder.decode(self.body)
        except _UNREADABLE:
            return None

    @property
    def reason(self) -> str:
        """Why it was put aside, without quoting it."""
        ticket = self.ticket
        try:
            decode(self.body, channel=self.channel or (ticket.channel if ticket else Channel.EMAIL))
        except BadTicket as error:
            return str(error)
        return "it can be read, and a consumer rejected it"


class Received(Protocol):
    """A ticket that a consumer has: unless it is acked or rejected, the broker gives it to another one."""

    @property
    def ticket(self) -> Ticket: ...

    def ack(self) -> None:
        """The work is done. If the ack gets lost, the ticket comes again and claims nothing."""

    def reject(self) -> None:
        """It is never delivered again: it becomes a dead letter."""


class Transport(Protocol):
    """Making one costs nothing: each method connects when it must. A transport belongs to one thread.

    Every method raises `TransportError` when the broker can't be used; the next call connects anew.
    """

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Returns once the broker has stored all of them."""

    def check(self) -> None:
        """Raises what `publish` would raise now, and publishes nothing."""

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        """Tickets as they come, and None after every `idle` seconds without one.

        What can't be read as a ticket becomes a dead letter, is logged once, and never yielded. Closing the iterator
        gives back what was neither acked nor rejected.
        """

    def depth(self, channel: Channel) -> int:
        """How many tickets wait for a consumer."""

    def dead(self) -> int:
        """How many dead letters there are, of all channels together."""

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """The oldest dead letters, up to `limit`; they stay where they are."""

    def purge_dead(self) -> int:
        """Discard all dead letters; returns how many. Their deliveries come due again by themselves."""

    def close(self) -> None: ...
