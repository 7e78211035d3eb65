"""Limits how often the public pages answer, by each web process alone (`web.minute_counts`).

That is enough: a token can't be guessed, and a bad one is refused by its signature, without a query. Evidence, which is
kept for ever, has a limit over all processes (`preference_center.MAX_AGREED_AN_HOUR`). A refusal is never counted.
"""

from notifier.web import minute_counts

#: GETs of one client's pages a minute. Scanners follow all links of a mail, several times.
MAX_LOOKS = 60
#: Bad links a minute from one address: all scanners of a mail provider may share one.
MAX_BAD_LINKS = 30


def is_looked_at_too_often(*, client_id: int) -> bool:
    """Counts one more GET of this client's pages; true where that is too many."""
    return minute_counts.count(f"look:{client_id}") > MAX_LOOKS


def is_guessing(*, address: str | None) -> bool:
    """Counts one more bad link from this address; true where that is too many."""
    return minute_counts.count(f"guess:{address}") > MAX_BAD_LINKS
