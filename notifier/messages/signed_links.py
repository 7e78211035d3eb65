"""The signed links in a message. A link says which client, topic and broadcast it is for, and holds no address.

They never expire, because clients may unsubscribe at any time. SECRET_KEY signs them; links signed with an earlier key
work as long as it is among SECRET_KEY_FALLBACKS.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from django.conf import settings
from django.core.signing import BadSignature, Signer

#: If the meaning of what is signed changes, so does this; links of earlier versions go on working.
VERSION = 1
#: The client id in a test message to staff: its pages can be opened, and change nothing.
NOBODY = 0

#: The beginnings of the paths that anybody with a link may open.
PUBLIC = ("/u/", "/p/")

_PAYLOAD = re.compile(r"(\d{1,4})-(\d{1,19})-(\d{1,19})-(\d{1,19})", re.ASCII)


_TOKEN_IN_PATH = re.compile(rf"({'|'.join(PUBLIC)})[^\s\"'<>]+")


@dataclass(frozen=True, slots=True)
class Link:
    client_id: int
    #: 0 in a test message that was sent before its topic was chosen.
    topic_id: int
    #: 0 where no broadcast sent it.
    broadcast_id: int

    @property
    def is_test_message(self) -> bool:
        return self.client_id == NOBODY


class BadLink(Exception):
    """The token is forged, damaged, or of an unknown version. It does not say which."""


def token(link: Link) -> str:
    """The link as text for an address: only letters, digits, `-`, `_` and `:`."""
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
    """The page that asks whether to stop one topic's e-mails. A POST to it stops them without asking."""
    return f"{settings.PUBLIC_URL}/u/{token}"


def preferences_url(token: str) -> str:
    return f"{settings.PUBLIC_URL}/p/{token}"


def is_public(path: str) -> bool:
    return path.startswith(PUBLIC)


def without_tokens(text: str) -> str:
    """`text` for a log, where whoever reads a token could use it."""
    return _TOKEN_IN_PATH.sub(r"\1…", text)


def unsubscribe_mailto(token: str) -> str:
    """The `mailto:` address for unsubscribing by mail; "" where UNSUBSCRIBE_MAILTO is not set."""
    mailbox = settings.UNSUBSCRIBE_MAILTO
    return f"mailto:{quote(mailbox, safe='@')}?subject=unsubscribe%20{token}" if mailbox else ""


def _signer() -> Signer:
    return _signer_of(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _signer_of(key: str, fallbacks: tuple[str, ...]) -> Signer:
    # Made once for each set of keys: making a Signer takes longer than signing.
    return Signer(key=key, fallback_keys=list(fallbacks), salt="notifier.links")
