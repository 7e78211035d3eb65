"""How each client stands to a topic on a channel: who would get it, and who would not and why. Read only."""

from enum import StrEnum

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifier.models import Channel, Client, Preference, Suppression, Topic
from notifier.policies import landlines, sms_countries
from notifier.saved_audiences import compiling
from notifier.saved_audiences.compiling import Members


class Standing(StrEnum):
    """Whether a client would get a topic on a channel, or why not: exactly one for each client.

    Named as in `topic_counts.Reach`.
    """

    RECIPIENTS = "recipients"
    NO_CONSENT = "no_consent"
    NO_ADDRESS = "no_address"
    SUPPRESSED = "suppressed"
    NOT_ALLOWED = "not_allowed"
    LANDLINE = "landline"
    ARCHIVED = "archived"
    NOT_IN_AUDIENCE = "not_in_audience"


def who(*, topic: Topic, channel: Channel, standing: Standing, within: Members | None = None) -> QuerySet[Client]:
    """The clients behind the count of that name in `topic_counts.Reach`.

    With `within` only those in that audience, besides those who are archived or not in it.
    """
    if standing == Standing.ARCHIVED:
        return Client.objects.archived()
    if standing == Standing.NOT_IN_AUDIENCE:
        return Client.objects.active().filter(~within.q()) if within else Client.objects.none()
    return _of_topic(topic, channel, standing).filter(*compiling.only(within))


def _of_topic(topic: Topic, channel: Channel, standing: Standing) -> QuerySet[Client]:
    address = channel.address_field
    consents = Exists(Preference.objects.filter(client=OuterRef("pk"), topic=topic, **{channel.value: True}))
    suppressions = Suppression.objects.filter(channel=channel)
    active, is_absent = Client.objects.active(), Q(**{address: None})
    refused = sms_countries.refused(channel=channel)
    is_suppressed = Exists(suppressions.filter(address=OuterRef(address)))
    allowed = sms_countries.allowed(channel=channel)
    match standing:
        case Standing.NO_CONSENT:
            return active.filter(~consents)
        case Standing.NO_ADDRESS:
            return active.filter(is_absent, consents)
        case Standing.SUPPRESSED:
            return active.filter(consents, **{f"{address}__in": suppressions.values("address")})
        case Standing.NOT_ALLOWED:
            return active.filter(refused, consents, ~is_suppressed) if refused else active.none()
        case Standing.LANDLINE:
            skipped = landlines.skipped(channel=channel)
            return active.filter(*skipped, *allowed, consents, ~is_suppressed) if skipped else active.none()
    return active.filter(~is_absent, consents, ~is_suppressed, *allowed, *landlines.passing(channel=channel))
