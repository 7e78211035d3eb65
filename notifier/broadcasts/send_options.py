"""When a broadcast starts, until when it may still send, and whether it waits for sending hours and caps."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Terms:
    #: None starts at once.
    scheduled_for: datetime | None = None
    #: What has not been sent by then never will be. None is for ever.
    expires_at: datetime | None = None
    #: Whoever asks for it has the right to send past sending hours and frequency caps.
    is_critical: bool = False

    def mistakes(self, now: datetime) -> dict[str, str]:
        """What is wrong with it, a sentence for each field; empty where it can be kept."""
        found = {}
        if self.scheduled_for and self.scheduled_for <= now:
            found["scheduled_for"] = "This time has passed. Choose a later one, or start at once."
        if self.expires_at and self.expires_at <= now:
            found["expires_at"] = "This time has passed. Choose a later one, or leave it empty."
        elif self.expires_at and self.scheduled_for and self.expires_at <= self.scheduled_for:
            found["expires_at"] = "It would expire before it starts. Choose a later time, or leave it empty."
        return found


AT_ONCE = Terms()
