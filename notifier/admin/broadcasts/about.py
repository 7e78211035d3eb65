"""What a broadcast is, whatever has become of it: its text, its audience, and who had a hand in it.

Nobody is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from notifier.admin.broadcasts import email_preview, samples, waiting
from notifier.models import Broadcast, BroadcastChange


@dataclass(frozen=True, slots=True)
class About:
    #: The channels, as in "e-mail and SMS".
    channels: str
    #: The broadcast whose audience it goes to again, but for those whom that one reached.
    follows: int | None
    #: By whom its text and its time were changed since it was asked for, the newest of them.
    changes: Sequence[BroadcastChange]
    #: When staff wanted it to start; None where it is only the end of the time to undo it.
    scheduled_for: datetime | None


def about(broadcast: Broadcast) -> About:
    return About(
        channels=" and ".join(channel.in_words for channel in broadcast.channels),
        follows=broadcast.follows_id or broadcast.was_to_follow_id,
        changes=waiting.changes(broadcast),
        scheduled_for=None if broadcast.undo_until == broadcast.scheduled_for else broadcast.scheduled_for,
    )


def variants(request: HttpRequest, broadcast: Broadcast) -> list[samples.SampleVariant]:
    """Likewise, its texts in other languages."""
    return samples.frozen_variants(broadcast, is_known=email_preview.may_see_a_client(request))


def texts(request: HttpRequest, broadcast: Broadcast) -> list[samples.SampleText]:
    """Its texts as one client reads them: a real one only for those who may see clients, send or approve."""
    return samples.samples_of(broadcast, is_known=email_preview.may_see_a_client(request))
