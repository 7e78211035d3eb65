"""The keyed digest that replaces an erased address: it can be compared with an address, and nobody can read it.

The key is CONSENT_KEY, or SECRET_KEY where there is none; what was written under an earlier key is found as long as
that is among SECRET_KEY_FALLBACKS.
"""

import hmac

from django.conf import settings

from notifier.models.channels import Channel
from notifier.models.suppressions import DIGEST


def digest(channel: Channel | str, address: str) -> str:
    """`digest:` and 64 hexadecimal digits, made with the present key."""
    return _digest(_keys()[0], channel, address)


def digests(channel: Channel | str, address: str) -> list[str]:
    """All digests of the address: that of the present key, then those of earlier keys."""
    return [_digest(key, channel, address) for key in _keys()]


def _keys() -> list[str]:
    keys = [settings.CONSENT_KEY, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return list(dict.fromkeys(key for key in keys if key))


def _digest(key: str, channel: Channel | str, address: str) -> str:
    named = f"{Channel(channel).value}:{address.strip().lower()}"
    return DIGEST + hmac.digest(b"notifier.address:" + key.encode(), named.encode(), "sha256").hex()
