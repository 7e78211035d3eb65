"""What clients agreed to. Each change is recorded in the transaction that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from notifier.models import Channel, Client, ConsentChange, Preference, Topic


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change of consent comes from. It is kept with the change, as evidence."""

    source: ConsentChange.Source
    by: User | None = None
    detail: str = ""
    #: The address of whoever used a public page.
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a client ended themselves: on their page, by a link, or by the button of their mail program."""

    stopped_at: datetime | None
    ended: Mapping[tuple[int, Channel], datetime]
    #: What they agreed to again after they had stopped everything.
    agreed_since: frozenset[tuple[int, Channel]]

    def at(self, topic_id: int, channel: Channel) -> datetime | None:
        """Since when the client refuses what they don't agree to now; None where they did not end it themselves."""
        choice = (topic_id, channel)
        if choice in self.ended:
            return self.ended[choice]
        return None if choice in self.agreed_since else self.stopped_at


def refusals(client: Client) -> Refusals:
    ended: dict[tuple[int, Channel], datetime] = {}
    agreed_since = set()
    for one in ConsentChange.objects.filter(client=client).order_by("at", "pk"):
        choice = (one.topic_id, Channel(one.channel))
        ended.pop(choice, None)
        if one.agreed and client.stopped_at and one.at > client.stopped_at:
            agreed_since.add(choice)
        elif not one.agreed and one.source in ConsentChange.CLIENT_REQUESTED:
            ended[choice] = one.at
    return Refusals(client.stopped_at, ended, frozenset(agreed_since))


def last_change(client: Client) -> int:
    """The id of the newest change of the client's consent; 0 where there is none."""
    newest = ConsentChange.objects.filter(client=client).order_by("-pk").values_list("pk", flat=True)
    return newest.first() or 0


def mark_stopped(*, client: Client, now: datetime) -> None:
    """Record that the client ended everything. It makes no new version: no field that staff edit has changed."""
    Client.objects.filter(pk=client.pk).update(stopped_at=now)


def change(
    *, client: Client, topic: Topic, wants: Mapping[Channel, bool], origin: Origin, now: datetime
) -> list[ConsentChange]:
    """Set what the client wants to hear about the topic on these channels; returns the changes."""
    with transaction.atomic():
        # Create the row before locking it: otherwise two callers find no row, and each records a change.
        Preference.objects.get_or_create(client=client, topic=topic)
        preference = Preference.objects.select_for_update().get(client=client, topic=topic)
        changed = {channel: wish for channel, wish in wants.items() if getattr(preference, channel.value) != wish}
        for channel, wish in changed.items():
            setattr(preference, channel.value, wish)
        if changed:
            preference.save(update_fields=[channel.value for channel in changed])
        return record(client=client, topic=topic, changed=changed, origin=origin, now=now)


def withdraw_all(*, client: Client, origin: Origin, now: datetime) -> int:
    """End every consent of the client, in the caller's transaction; returns how many there were."""
    ended = 0
    for preference in Preference.objects.select_for_update().filter(client=client).order_by("pk"):
        topic = Topic(pk=preference.topic_id)
        changed = {channel: False for channel in Channel if getattr(preference, channel.value)}
        ended += len(record(client=client, topic=topic, changed=changed, origin=origin, now=now))
    Preference.objects.filter(client=client).update(email=False, sms=False)
    return ended


def record(
    *, client: Client, topic: Topic, changed: Mapping[Channel, bool], origin: Origin, now: datetime
) -> list[ConsentChange]:
    """Record changes that the caller makes itself, in the caller's transaction."""
    return ConsentChange.objects.bulk_create(
        ConsentChange(
            client=client,
            topic=topic,
            channel=channel,
            agreed=wish,
            at=now,
            source=origin.source,
            by=origin.by,
            detail=origin.detail[:300],
            ip=origin.ip,
        )
        for channel, wish in changed.items()
    )
