"""Those who can be sent a topic now: all of them, those whom a broadcast missed, and one as an example. Read only."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from notifier.audience import chains
from notifier.languages import offered
from notifier.models import Broadcast, Channel, Client, Preference, Suppression, Topic
from notifier.policies import client_values, landlines, sms_countries
from notifier.saved_audiences import compiling
from notifier.saved_audiences.compiling import Members


def wanting(*, topic_id: int, channel: Channel, within: Members | None = None) -> QuerySet[Preference]:
    """The consents of those who could be sent something of this topic now; with `within`, of those in that audience."""
    address = f"client__{channel.address_field}"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(address))
    consents = Preference.objects.filter(topic=topic_id, client__is_active=True, **{channel.value: True})
    allowed = sms_countries.allowed(channel=channel, client="client__")
    passing = landlines.passing(channel=channel, client="client__")
    consents = consents.filter(*compiling.only(within, "client__"))
    return consents.filter(~Exists(suppressed), *allowed, *passing, **{f"{address}__isnull": False})


def missed_by(
    *, topic_id: int, channel: Channel, broadcast: Broadcast | None, within: Members | None = None
) -> QuerySet[Preference]:
    """Of these, those whom neither this broadcast nor another of its chain reached; all of them without a broadcast."""
    wants = wanting(topic_id=topic_id, channel=channel, within=within)
    if broadcast is None:
        return wants
    others = chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)
    reached = chains.reached(broadcast_ids=[broadcast.pk, *others], channel=channel, client=OuterRef("client_id"))
    return wants.filter(~Exists(reached))


def by_language(
    *,
    topic: Topic,
    channel: Channel,
    needed: Sequence[str] = (),
    within: Members | None = None,
    only: Iterable[Any] = (),
) -> dict[str | None, int]:
    """How many recipients have each language on record, exact at this moment: one pass over all clients.

    `needed`: the placeholders that they have a value for. `only`: conditions on their consents.
    """
    recipients = wanting(topic_id=topic.pk, channel=channel, within=within)
    recipients = recipients.filter(*client_values.present(needed, client="client__"), *only)
    return dict(recipients.order_by().values_list("client__language").annotate(number=Count("pk")))


def written_to_in(language: str | None, *, client: str = "") -> list[Q]:
    """Conditions of those who are written to in this language; none for None. `client` leads to the clients' table."""
    if language is None:
        return []
    if language == offered.default():
        return [Q(**{f"{client}language": None}) | ~Q(**{f"{client}language__in": offered.codes()[1:]})]
    return [Q(**{f"{client}language": language})]


def sample(
    *, topic: Topic, channel: Channel, needed: Sequence[str] = (), within: Members | None = None
) -> Client | None:
    """A recipient on this channel, for whom a preview can be rendered; None if there is none.

    `needed`: the placeholders that they have a value for.
    """
    address = channel.address_field
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(f"client__{address}"))
    preference = (
        Preference.objects.filter(~Exists(suppressed), topic=topic, client__is_active=True, **{channel.value: True})
        .filter(
            *sms_countries.allowed(channel=channel, client="client__"),
            *landlines.passing(channel=channel, client="client__"),
            *client_values.present(needed, client="client__"),
            *compiling.only(within, "client__"),
        )
        .exclude(**{f"client__{address}": None})
        .select_related("client__field_values")
        .order_by("client_id")
        .first()
    )
    return preference.client if preference else None
