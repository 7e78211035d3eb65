"""The address that a provider calls with the receipts of one message. It says which delivery they are for, signed.

A provider's own signature shows who calls; this one, that it calls for what we sent, and not for a number it was told.
"""

import re
from functools import lru_cache

from django.conf import settings
from django.core.signing import BadSignature, Signer

#: `broadcast.delivery`. A test message to staff has another reference, and no receipts.
_REFERENCE = re.compile(r"[1-9]\d{0,17}\.[1-9]\d{0,17}", re.ASCII)


#: Twilio calls again where the web server is just restarting, if the address asks for it in this way. Its documentation
#: does not say whether it signs that: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
TWILIO_RETRIES = "#rc=5&rp=5xx,ct,rt"


class BadToken(Exception):
    """It is forged or damaged, or signed with a key that is used no more."""


def url(reference: str, *, provider: str) -> str:
    """The address for a message with this reference; "" where none is asked for, or there can't be receipts."""
    if not settings.SMS_RECEIPTS or not _REFERENCE.fullmatch(reference):
        return ""
    return f"{settings.PUBLIC_URL}/hooks/sms/{provider}/receipts/{token(reference)}"


def token(reference: str) -> str:
    return _signer_of(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).sign(reference)


def read_token(token: str) -> str:
    """The reference. Raises `BadToken`. Whether there is such a delivery is not asked here."""
    try:
        reference = _signer_of(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).unsign(token)
    except BadSignature as error:
        raise BadToken from error
    if not _REFERENCE.fullmatch(reference):
        raise BadToken
    return reference


@lru_cache(maxsize=4)
def _signer_of(key: str, fallbacks: tuple[str, ...]) -> Signer:
    # Made once for each set of keys: making a Signer takes longer than signing.
    return Signer(key=key, fallback_keys=list(fallbacks), salt="notifier.receipts")
