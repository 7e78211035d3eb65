"""Handing one message to a backend, and what its answer makes of the delivery."""

import logging

from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome, Verdict
from notifier.runtime import failpoints

logger = logging.getLogger(__name__)


def hand_over(message: Message, backend: SendBackend) -> Outcome:
    """Hand one message over. Only `ChannelDown` is raised: then it was not handed over, to nobody's blame."""
    try:
        failpoints.reached("send.begun")
        provider_id = backend.send(message)
        failpoints.reached("send.accepted")
        return Outcome(message, Verdict.SENT, provider_id=provider_id)
    except ChannelDown:
        raise
    except SendFailure as failure:
        return _failed(message, failure)
    except BaseException as error:
        # An error in the backend itself: it may have come before or after the provider took the message. Even a
        # SystemExit is caught: if the thread ended here, its window would wait for ever.
        logger.exception("Sending delivery %d failed in a way that the backend does not know.", message.delivery_id)
        return Outcome(message, Verdict.UNKNOWN, detail=f"the send backend failed: {type(error).__name__}")


def _failed(message: Message, failure: SendFailure) -> Outcome:
    """How a message ended that the provider did not take, or may have taken."""
    match failure:
        case TemporaryFailure():
            return Outcome(message, Verdict.TEMPORARY, detail=str(failure), wait=failure.wait)
        case PermanentFailure():
            return Outcome(
                message,
                Verdict.PERMANENT,
                detail=str(failure),
                suppress=failure.suppress,
                was_given=not isinstance(failure, NoMessage),
            )
        case RecipientRefused():
            return Outcome(message, Verdict.REFUSED, detail=str(failure), suppress=failure.suppress)
    return Outcome(message, Verdict.UNKNOWN, detail=str(failure))
