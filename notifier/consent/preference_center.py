"""What clients decide themselves by the signed link of a message. Decision and evidence are one transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from notifier.consent import consents, suppressions
from notifier.consent.consents import Origin
from notifier.models import Channel, Client, ConsentChange, Preference, Suppression, Topic

#: (topic's id, channel): one switch on the page.
Choice = tuple[int, Channel]

#: A client may agree to so many things an hour. Evidence is kept for ever, so a script that moves switches would fill
#: the table. A refusal is not counted: it can only end what was agreed to.
MAX_AGREED_AN_HOUR = 60


class TooManyAgreements(Exception):
    """The client has agreed to `MAX_AGREED_AN_HOUR` things within the hour. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class CurrentConsent:
    """What a client agrees to now, and which of their channels are suppressed."""

    agreed: frozenset[Choice]
    #: Why nothing is sent on a channel, whatever was agreed to.
    suppressed: dict[Channel, Suppression.Source]

    @property
    def shown(self) -> frozenset[Choice]:
        """The switches that are on. A channel that the client stopped themselves is shown as off."""
        return frozenset(
            choice for choice in self.agreed if self.suppressed.get(choice[1]) not in Suppression.CLIENT_REQUESTED
        )

    def is_closed(self, channel: Channel) -> bool:
        """Whether the client stopped the channel themselves, and can't switch it on again on this page."""
        source = self.suppressed.get(channel)
        return source in Suppression.CLIENT_REQUESTED and not may_return(source, channel)


def may_return(source: Suppression.Source | None, channel: Channel) -> bool:
    """Whether this suppression ends as soon as the client switches the channel on again.

    By e-mail alone: who replied STOP to an SMS is stopped by the carrier too, until they reply START.
    """
    return channel == Channel.EMAIL and source == Suppression.Source.CLIENT


def current_consent(client: Client) -> CurrentConsent:
    agreed = {
        (preference.topic_id, channel)
        for preference in Preference.objects.filter(client=client)
        for channel in Channel
        if getattr(preference, channel.value)
    }
    return CurrentConsent(frozenset(agreed), _suppressed(client))


def withdraw(*, client_id: int, topic: Topic, channel: Channel, origin: Origin, now: datetime) -> bool:
    """End one consent; False where it was ended already, by this link or otherwise."""
    with transaction.atomic():
        client = _locked(client_id)
        if (
            client is None
            or not Preference.objects.filter(client=client, topic=topic, **{channel.value: True}).exists()
        ):
            return False
        return bool(consents.change(client=client, topic=topic, wants={channel: False}, origin=origin, now=now))


def stop_everything(*, client_id: int, origin: Origin, now: datetime) -> int:
    """End every consent, on every channel, for good; returns how many there were.

    Also where there was none: no import, and no edit without a right of its own, makes one from then on.
    """
    with transaction.atomic():
        client = _locked(client_id)
        if client is None:
            return 0
        consents.mark_stopped(client=client, now=now)
        return consents.withdraw_all(client=client, origin=origin, now=now)


def choose(*, client_id: int, on: Collection[Choice], off: Collection[Choice], origin: Origin, now: datetime) -> int:
    """Switch these on and those off, and leave the others as they are; returns how many switches that moved.

    What has no switch, for want of an address or because the channel is closed, is not switched on. Whoever was erased
    meanwhile is changed no more. Raises `TooManyAgreements`.
    """
    with transaction.atomic():
        client = _locked(client_id)
        if client is None or client.erased_at:
            return 0
        before = current_consent(client)
        on = [choice for choice in on if _address(client, choice[1]) and not before.is_closed(choice[1])]
        wants = dict.fromkeys(on, True) | dict.fromkeys(off, False)
        wants |= _by_client_request(client, before, wants, origin, now)
        changed = _change(client, wants, origin, now)
        if any(change.agreed for change in changed):
            _refuse_too_many(client, now)
        return len(before.shown ^ current_consent(client).shown)


def _locked(client_id: int) -> Client | None:
    """Locks the client, so that a second click or an erasure waits for this one."""
    return Client.objects.select_for_update().filter(pk=client_id).first()


def _by_client_request(
    client: Client, before: CurrentConsent, wants: dict[Choice, bool], origin: Origin, now: datetime
) -> dict[Choice, bool]:
    """Lift the client's own suppression of a channel that they switch on.

    Everything on it was shown as off: what was ticked in earlier days must not come back with it unasked.
    """
    found: dict[Choice, bool] = {}
    for channel in {channel for (_, channel), wish in wants.items() if wish}:
        address = _address(client, channel)
        if not address or not may_return(before.suppressed.get(channel), channel):
            continue
        evidence = suppressions.Evidence(Suppression.Source.CLIENT, f"switched on again: {origin.source.label.lower()}")
        suppressions.lift(
            channel=channel, address=address, evidence=evidence, now=now, sources=[Suppression.Source.CLIENT]
        )
        found |= {choice: False for choice in before.agreed if choice[1] == channel and not wants.get(choice)}
    return found


def _change(client: Client, wants: dict[Choice, bool], origin: Origin, now: datetime) -> list[ConsentChange]:
    # In the order of the topics. The lock on the client keeps other requests of the same client out.
    changed: list[ConsentChange] = []
    for topic in Topic.objects.filter(pk__in={topic_id for topic_id, _ in wants}).order_by("pk"):
        theirs = {channel: wish for (topic_id, channel), wish in wants.items() if topic_id == topic.pk}
        changed += consents.change(client=client, topic=topic, wants=theirs, origin=origin, now=now)
    return changed


def _refuse_too_many(client: Client, now: datetime) -> None:
    agreed = ConsentChange.objects.filter(
        client=client, agreed=True, source=ConsentChange.Source.PAGE, at__gt=now - timedelta(hours=1)
    )
    if agreed.count() > MAX_AGREED_AN_HOUR:
        raise TooManyAgreements


def _suppressed(client: Client) -> dict[Channel, Suppression.Source]:
    found = {}
    for channel in Channel:
        if address := _address(client, channel):
            row = Suppression.objects.filter(suppressions.known(channel, address)).first()
            if row:
                found[channel] = Suppression.Source(row.source)
    return found


def _address(client: Client, channel: Channel) -> str:
    return str(getattr(client, channel.address_field) or "")
