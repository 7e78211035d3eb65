"""Where the values of the placeholders come from: of one client, as the claim reads it, and as counts ask for it.

A placeholder of the client has one source here, so what is counted before a broadcast is what its claims will find.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import F, Q
from django.db.models.expressions import Combinable

from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Client, Notification


@dataclass(frozen=True, slots=True)
class ClientColumn:
    """A column of the clients' table, which is empty where there is no value, and never blank."""

    name: str
    #: Every client has one: nobody needs to be asked who lacks it.
    is_always_there: bool = False

    def sql(self, alias: str) -> str:
        """For a statement that is written out; as a text."""
        return f"{alias}.{self.name}"

    def expression(self, client: str = "") -> Combinable:
        """For a query: `client` leads to the clients' table, as in `client__`."""
        return F(f"{client}{self.name}")

    def is_missing(self, client: str = "") -> Q:
        return Q(**{f"{client}{self.name}": ""})

    def of(self, client: Client) -> str:
        text: str = getattr(client, self.name)
        return text


#: By the key of the placeholder.
SOURCES = {
    "name": ClientColumn("name", is_always_there=True),
    "first_name": ClientColumn("first_name"),
    "last_name": ClientColumn("last_name"),
}

#: Those that some clients have no value for.
MISSABLE = tuple(key for key, source in SOURCES.items() if not source.is_always_there)


def needed(text: Notification | Broadcast, channel: Channel) -> tuple[str, ...]:
    """The placeholders that a client may lack a value for, and then does not get the text on this channel."""
    return tuple(key for key in text.needed(channel) if not SOURCES[key].is_always_there)


def of_client(client: Client, *, topic: str) -> dict[str, str]:
    """The values of all placeholders."""
    return placeholders.values(topic=topic, **{key: source.of(client) for key, source in SOURCES.items()})


def missing(keys: Collection[str], *, client: str = "") -> Q:
    """The clients who lack at least one of these; nobody where there are no keys."""
    found = Q(pk__in=[])
    for key in keys:
        found |= SOURCES[key].is_missing(client)
    return found


def present(keys: Collection[str], *, client: str = "") -> list[Q]:
    """Conditions of the clients who have a value for each of these."""
    return [~SOURCES[key].is_missing(client) for key in keys]


def columns(keys: Collection[str], *, alias: str) -> str:
    """Of these, for the end of a list of columns in a statement; empty where there are none."""
    return "".join(f", {SOURCES[key].sql(alias)}" for key in keys)
