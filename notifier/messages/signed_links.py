"""The signed links of a message: whose they are, for which topic, and of which broadcast, without an address.

They never expire: a refusal is welcome at any time. SECRET_KEY signs them; links of an earlier key work as long as it
is among SECRET_KEY_FALLBACKS.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from django.conf import settings
from django.core.signing import BadSignature, Signer

#: Another meaning of what is signed gets another version; links of the earlier ones go on working.
VERSION = 1
#: A test that staff send themselves: the pages can be looked at, and nothing is changed.
NOBODY = 0

#: What the paths of the pages begin with that anybody may open who holds a link.
PUBLIC = ("/u/", "/p/")

_PAYLOAD = re.compile(r"(\d{1,4})-(\d{1,19})-(\d{1,19})-(\d{1,19})", re.ASCII)


_TOKEN_IN_PATH = re.compile(rf"({'|'.join(PUBLIC)})[^\s\"'<>]+")


@dataclass(frozen=True, slots=True)
class Link:
    client_id: int
    #: 0 where a test was made before its topic was chosen.
    topic_id: int
    #: 0 where it was no broadcast.
    broadcast_id: int

    @property
    def is_trial(self) -> bool:
        return self.client_id == NOBODY


class BadLink(Exception):
    """Forged, damaged, or of a version that we don't know. Nothing more is told."""


def token(link: Link) -> str:
    """As it stands in an address: letters, digits, `-`, `_` and `:` only."""
    return _signer().sign(f"{VERSION}-{link.client_id}-{link.topic_id}-{link.broadcast_id}")


def read_token(token: str) -> Link:
    """Raises `BadLink`. Whether that client or topic still exists is not asked here."""
    try:
        payload = _signer().unsign(token)
    except BadSignature as error:
        raise BadLink from error
    found = _PAYLOAD.fullmatch(payload)
    if found is None or int(found[1]) != VERSION:
        raise BadLink
    return Link(int(found[2]), int(found[3]), int(found[4]))


def unsubscribe_url(token: str) -> str:
    """Of the page that asks whether to stop one topic's e-mails; a POST to it does, without asking."""
    return f"{settings.PUBLIC_URL}/u/{token}"


def preferences_url(token: str) -> str:
    return f"{settings.PUBLIC_URL}/p/{token}"


def is_public(path: str) -> bool:
    return path.startswith(PUBLIC)


def without_tokens(text: str) -> str:
    """For a log: whoever reads a token there could use it."""
    return _TOKEN_IN_PATH.sub(r"\1…", text)


def unsubscribe_mailto(token: str) -> str:
    """A mail to UNSUBSCRIBE_MAILTO, for those who unsubscribe so; "" where there is no such mailbox."""
    mailbox = settings.UNSUBSCRIBE_MAILTO
    return f"mailto:{quote(mailbox, safe='@')}?subject=unsubscribe%20{token}" if mailbox else ""


def _signer() -> Signer:
    return _signer_of(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _signer_of(key: str, fallbacks: tuple[str, ...]) -> Signer:
    # Made once for each mail's worth of keys: a Signer takes longer to make than to sign with.
    return Signer(key=key, fallback_keys=list(fallbacks), salt="notifier.links")
