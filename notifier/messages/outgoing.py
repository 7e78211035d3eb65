"""One message, rendered and addressed: what a send backend is given, whoever sends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one address. `reference` (`broadcast.delivery`) is the same on every try."""

    reference: str
    address: str
    #: Empty for an SMS.
    subject: str
    #: Plain text.
    body: str
    #: The same as HTML, where the channel can carry both.
    html: str = ""
    #: Token of the unsubscribe link (`signed_links`) and slug of the topic; empty where there is none.
    link_token: str = ""
    list_id: str = ""
    #: The installation's code, for what must be unique among all mails of the world; empty where `reference` is.
    installation: str = ""
