"""Landlines, in SQL: an SMS to one is lost, so none is sent, and no page counts one as somebody who reads SMS.

No database knows the type of a number. It is told when the number is entered, by `notifier.addresses.phones`, and kept
beside it (`Client.landline_ending`). A number of unknown type passes.
"""

from django.db.models import Q
from django.db.models.functions import Right

from notifier.addresses.phones import LANDLINE_DIGITS
from notifier.models import Channel


def has_landline(client: str = "") -> Q:
    """The condition that a client's number is a landline's.

    `client` is the way to the client from the rows that are asked, such as "client__".
    """
    return Q(**{f"{client}landline_ending": Right(f"{client}phone", LANDLINE_DIGITS)})


def is_passing(client: str = "") -> Q:
    """The condition that a client has no such number, but another one or none."""
    number, ending = f"{client}phone", f"{client}landline_ending"
    return Q(**{number: None}) | Q(**{ending: None}) | ~has_landline(client)


def skipped(*, channel: Channel, client: str = "") -> list[Q]:
    """The condition that nothing is sent to a client by this channel for that; nothing where it holds for nobody."""
    return [has_landline(client)] if channel == Channel.SMS else []


def passing(*, channel: Channel, client: str = "") -> list[Q]:
    """The opposite of `skipped`."""
    return [is_passing(client)] if channel == Channel.SMS else []
