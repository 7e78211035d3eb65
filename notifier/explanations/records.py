"""What the records say about a client at one moment in the past: consent, archiving, suppression. Read only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime

from notifier.models import Broadcast, Channel, Client, ConsentChange, Installation, Suppression


def when(moment: datetime) -> str:
    """ "at 14:03 on 3 Nov 2026" """
    local = localtime(moment)
    return f"at {date_format(local, 'H:i')} on {date_format(local, 'j M Y')}"


def records_began() -> datetime | None:
    """When this installation began to record consent and versions; None where that is unknown."""
    return Installation.objects.values_list("records_began_at", flat=True).first()


@dataclass(frozen=True, slots=True)
class Consent:
    """To one topic by one channel, at one moment."""

    #: None where the records can't tell.
    agreed: bool | None
    #: The change that made it so; None where there was none yet.
    by: ConsentChange | None
    #: The next change after the moment.
    later: ConsentChange | None


class Consents:
    """Every change of one client's consent to a broadcast's topic, by one channel."""

    def __init__(self, *, client: Client, broadcast: Broadcast, channel: Channel) -> None:
        changes = ConsentChange.objects.filter(client=client, topic=broadcast.topic_id, channel=channel)
        self._changes: Sequence[ConsentChange] = list(changes.select_related("by").order_by("at", "pk"))

    def at(self, moment: datetime) -> Consent:
        before = [change for change in self._changes if change.at <= moment]
        later = next((change for change in self._changes if change.at > moment), None)
        if before:
            return Consent(before[-1].agreed, before[-1], later)
        # No change before the moment means no consent, except where the records began later, or begin with a consent
        # that was older than they are.
        earlier = later is not None and (later.source == ConsentChange.Source.EARLIER or not later.agreed)
        began = records_began()
        unknown = earlier or (began is not None and moment < began)
        return Consent(None if unknown else False, None, later)

    def withdrawn_between(self, start: datetime, end: datetime) -> ConsentChange | None:
        """The last withdrawal after `start`, up to and at `end`."""
        found = [change for change in self._changes if start < change.at <= end and not change.agreed]
        return found[-1] if found else None

    def agreed_before(self, moment: datetime) -> ConsentChange | None:
        found = [change for change in self._changes if change.at < moment and change.agreed]
        return found[-1] if found else None


class Agreements:
    """The agreements of many clients to one topic, for a list of a few thousand deliveries."""

    def __init__(self, *, topic_id: int, clients: Sequence[int]) -> None:
        changes = ConsentChange.objects.filter(client__in=clients, topic=topic_id, agreed=True)
        self._changes: dict[tuple[int, str], list[ConsentChange]] = {}
        for change in changes.select_related("by").order_by("at", "pk"):
            self._changes.setdefault((change.client_id, change.channel), []).append(change)

    def before(self, *, client_id: int, channel: str, moment: datetime) -> ConsentChange | None:
        """The last agreement up to the moment. The send was based on it, even if it was withdrawn meanwhile."""
        found = [change for change in self._changes.get((client_id, channel), []) if change.at <= moment]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Activity:
    """Whether the client was active at one moment."""

    #: None where the records can't tell.
    is_active: bool | None
    #: The version that archived the client.
    archived_by: Any = None


class ClientHistory:
    """What the client was, from version to version."""

    def __init__(self, *, client: Client) -> None:
        versions = Client.history.filter(id=client.pk).select_related("history_user")
        self._versions: Sequence[Any] = list(versions.order_by("history_date", "history_id"))

    def at(self, moment: datetime) -> Activity:
        before = [version for version in self._versions if version.history_date <= moment]
        if not before:
            return Activity(None)
        return Activity(before[-1].is_active, _archiving(before))

    def archived_between(self, start: datetime, end: datetime) -> Any:
        """The last version after `start`, up to and at `end`, that archived the client; or None."""
        before = [version for version in self._versions if version.history_date <= end]
        archived = _archiving(before)
        return archived if archived is not None and archived.history_date > start else None


def _archiving(versions: Sequence[Any]) -> Any:
    """The first of the last run of archived versions; None where the last one is active, or there is none."""
    found = None
    for version in reversed(versions):
        if version.is_active:
            break
        found = version
    return found


def suppression(*, channel: str, address: str, at: datetime) -> Suppression | None:
    """The suppression that held at that moment, if it still holds."""
    # A delivery of long ago may have it as it was written before addresses had one form.
    names = {address, Channel(channel).canonical(address)}
    return Suppression.objects.filter(channel=channel, address__in=names, created_at__lte=at).first()
