"""The keyed digest that replaces an erased address: it can be compared with an address, and nobody can read it.

The key is CONSENT_KEY, or SECRET_KEY where there is none; what was written under an earlier key is found as long as
that is among SECRET_KEY_FALLBACKS.
"""

import hmac

from django.conf import settings

from notifier.addresses import emails
from notifier.models.channels import Channel
from notifier.models.suppressions import DIGEST


def digest(channel: Channel | str, address: str) -> str:
    """`digest:` and 64 hexadecimal digits, made with the present key."""
    return _digest(_keys()[0], channel, address)


def digests(channel: Channel | str, address: str) -> list[str]:
    """All digests of the address: that of the present key, then those of earlier keys.

    Before addresses had one form, a digest was made of however the address was written.
    """
    forms = emails.spellings(address) if channel == Channel.EMAIL else [address]
    return [_of(key, channel, form) for key in _keys() for form in forms]


def _keys() -> list[str]:
    keys = [settings.CONSENT_KEY, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return list(dict.fromkeys(key for key in keys if key))


def _digest(key: str, channel: Channel | str, address: str) -> str:
    return _of(key, channel, Channel(channel).canonical(address))


def _of(key: str, channel: Channel | str, form: str) -> str:
    named = f"{Channel(channel).value}:{form}"
    return DIGEST + hmac.digest(b"notifier.address:" + key.encode(), named.encode(), "sha256").hex()
