"""What staff choose for a broadcast: when it starts, when it expires, and whether it ignores quiet hours and caps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: A year further ahead is a slip of the keyboard; near the end of the calendar no page could show it in every zone.
FURTHEST = timedelta(days=36_525)
TOO_FAR = "This is more than a hundred years ahead."


@dataclass(frozen=True, slots=True)
class SendOptions:
    #: None: it starts at once.
    scheduled_for: datetime | None = None
    #: What has not been sent by then is never sent. None: it never expires.
    expires_at: datetime | None = None
    #: It ignores quiet hours and frequency caps. The caller has checked the permission.
    is_critical: bool = False

    def mistakes(self, now: datetime) -> dict[str, str]:
        """A sentence for each field whose time can't be kept; empty if all is well."""
        found = {}
        if self.scheduled_for and self.scheduled_for <= now:
            found["scheduled_for"] = "This time has passed. Choose a later one, or start it now."
        elif self.scheduled_for and self.scheduled_for > now + FURTHEST:
            found["scheduled_for"] = f"{TOO_FAR} Choose an earlier time."
        if self.expires_at and self.expires_at <= now:
            found["expires_at"] = "This time has passed. Choose a later one, or leave it empty."
        elif self.expires_at and self.expires_at > now + FURTHEST:
            found["expires_at"] = f"{TOO_FAR} Choose an earlier time, or leave it empty."
        elif self.expires_at and self.scheduled_for and self.expires_at <= self.scheduled_for:
            found["expires_at"] = "It would expire before it starts. Choose a later time, or leave it empty."
        return found


AT_ONCE = SendOptions()
