"""What every transport does: carry tickets from the dispatcher to the consumers of a channel."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Protocol

import msgspec

from notifier.models import Channel

TICKET_VERSION = 1
#: A hundred 19-digit ids and the rest take about 2 KiB; anything much larger is not ours.
MAX_BODY_BYTES = 16_384

DeliveryId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class TransportError(Exception):
    """The broker can't be used right now; what was published may or may not have arrived. Trying again is safe."""


class BadTicket(Exception):
    """The body is not a ticket of ours. Trying again is of no use."""


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
#: Where msgspec's messages repeat what stood in the body, which may be anybody's address.
_QUOTED = re.compile(r"(unknown field|enum value) .*", re.DOTALL)


def encode(ticket: Ticket) -> bytes:
    return _encoder.encode(ticket)


def decode(body: bytes, *, channel: Channel) -> Ticket:
    """The ticket in `body`, or `BadTicket` that says what is wrong with it, without quoting it."""
    if len(body) > MAX_BODY_BYTES:
        raise BadTicket(f"it is {len(body)} bytes long, more than {MAX_BODY_BYTES}")
    try:
        ticket = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadTicket(_QUOTED.sub(r"\1", str(error))) from error
    if ticket.v != TICKET_VERSION:
        raise BadTicket(f"its version is {ticket.v}, and this program reads version {TICKET_VERSION}")
    if ticket.channel != channel:
        raise BadTicket(f"it is for the channel {ticket.channel.value} and came through {channel.value}")
    return ticket


class Received(Protocol):
    """A ticket in hand: the broker gives it to someone else unless it is acked or rejected."""

    @property
    def ticket(self) -> Ticket: ...

    def ack(self) -> None:
        """Done with. Losing the ack is harmless: the ticket comes again and claims nothing."""

    def reject(self) -> None:
        """Never to be delivered again: it goes to the dead letters."""


class Transport(Protocol):
    """Opening costs nothing: each method connects when it must. A transport belongs to one thread.

    Every method raises `TransportError` when the broker can't be used; the next call connects anew.
    """

    def publish(self, tickets: Sequence[Ticket]) -> None:
        """Returns once the broker holds every one of them."""

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        """Tickets as they come, and None after every `idle` seconds without one.

        What can't be read as a ticket is put among the dead letters, logged once, and never yielded. Closing the
        iterator gives back whatever was neither acked nor rejected.
        """

    def depth(self, channel: Channel) -> int:
        """Tickets that wait for a consumer."""

    def close(self) -> None: ...
