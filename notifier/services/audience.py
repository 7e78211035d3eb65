"""Who would get a notification if it were sent now, and who would not, and why. Read only."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q

from notifier.models import Channel, Client, Preference, Suppression, Topic


@dataclass(frozen=True, slots=True)
class Reach:
    """Every client counted once: the fields add up to the number of clients.

    Where two reasons hold, the first in this order counts: archived, no consent, no address, suppressed.
    """

    channel: Channel
    recipients: int
    no_consent: int
    no_address: int
    suppressed: int
    archived: int

    @property
    def clients(self) -> int:
        return self.recipients + self.no_consent + self.no_address + self.suppressed + self.archived


def reach(*, topic: Topic) -> dict[Channel, Reach]:
    """The counts for each channel, exact at this moment: one pass over the clients, one over the topic's consents."""
    clients = Client.objects.aggregate(total=Count("pk"))["total"]
    archived = Client.objects.archived().count()
    consents = Preference.objects.filter(topic=topic, client__is_active=True).aggregate(
        consent_email=Count("pk", filter=Q(email=True)),
        consent_sms=Count("pk", filter=Q(sms=True)),
        address_email=Count("client__email", filter=Q(email=True)),
        address_sms=Count("client__phone", filter=Q(sms=True)),
    )
    found = {}
    for channel in Channel:
        consent, address = consents[f"consent_{channel.value}"], consents[f"address_{channel.value}"]
        suppressed = _suppressed(topic, channel)
        found[channel] = Reach(
            channel=channel,
            recipients=address - suppressed,
            no_consent=clients - archived - consent,
            no_address=consent - address,
            suppressed=suppressed,
            archived=archived,
        )
    return found


def _suppressed(topic: Topic, channel: Channel) -> int:
    """Active, consenting clients whose address is suppressed: looked up from the suppressions, which are few."""
    address = "email" if channel == Channel.EMAIL else "phone"
    suppressions = Suppression.objects.filter(channel=channel).values("address")
    consents = Preference.objects.filter(client=OuterRef("pk"), topic=topic, **{channel.value: True})
    return Client.objects.active().filter(Exists(consents), **{f"{address}__in": suppressions}).count()


def sample(*, topic: Topic, channel: Channel) -> Client | None:
    """A client who would get it on this channel, to show the message as one of them will read it."""
    address = "email" if channel == Channel.EMAIL else "phone"
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef(f"client__{address}"))
    preference = (
        Preference.objects.filter(~Exists(suppressed), topic=topic, client__is_active=True, **{channel.value: True})
        .exclude(**{f"client__{address}": None})
        .select_related("client")
        .order_by("client_id")
        .first()
    )
    return preference.client if preference else None
