"""Counts that take longer than a page may: the page comes at once, and they follow.

A page asks `address` whether its counts come later. If so it leaves them out, and its template shows `counting.html`:
htmx asks for the same page with its counts, and puts the parts that were left out in their places. Without JavaScript
a link leads to that page. What is decided, is decided by the count that is made when the button is pressed.
"""

from django.http import HttpRequest

from notifier.broadcasts import audience

#: In the address of a page that counts while it is made.
PARAMETER = "counted"
#: Clients of so many are counted while the page is made: it takes about 30 ms.
AT_ONCE = 100_000


def is_long(*, topics: int = 1) -> bool:
    """Whether there are many clients to count; each topic is a pass over all of them."""
    return topics * audience.most() > AT_ONCE


def address(request: HttpRequest, *, is_long: bool) -> str:
    """Of the page with its counts, where these come later; empty where they are on the page that is asked for."""
    if not is_long or request.method != "GET" or PARAMETER in request.GET:
        return ""
    query = request.GET.copy()
    query[PARAMETER] = "1"
    return f"{request.path}?{query.urlencode(safe=',')}"
