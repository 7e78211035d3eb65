"""What providers' HTTP interfaces have in common: how their answers are judged."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from consumers.backends.base import (
    ChannelDown,
    OutcomeUnknown,
    PerhapsDown,
    PermanentFailure,
    SendFailure,
    TemporaryFailure,
)

#: The longest wait that a provider may ask for.
LONGEST_WAIT = timedelta(hours=1)
#: It does not know us, or wants to be paid: no recipient is to blame.
ACCOUNT_REFUSED = (401, 402, 407)
#: It forbids us to send, at all or to this recipient.
FORBIDDEN = 403
#: Too many requests (SparkPost says 420), or none that was complete in time: nothing was taken.
LATER = (408, 420, 425, 429)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Retry-After, in seconds or as a date (RFC 9110, 10.2.3), at most LONGEST_WAIT; None where there is none."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value) - datetime.now(UTC)
    except (TypeError, ValueError):
        return None
    return min(max(wait, timedelta()), LONGEST_WAIT)


def failure(status: int, answer: str, headers: Mapping[str, str]) -> SendFailure:
    """What an answer means that does not say of the recipient that the message was taken."""
    if status in ACCOUNT_REFUSED or 300 <= status < 400:
        return ChannelDown(f"the provider rejected our request: {answer}")
    if status == FORBIDDEN:
        return PerhapsDown(f"the provider rejected our request: {answer}")
    if status in LATER:
        return TemporaryFailure(answer, wait=retry_after(headers))
    if 400 <= status < 500:
        return PermanentFailure(answer)
    return OutcomeUnknown(f"the provider did not confirm that it accepted the message: {answer}")
