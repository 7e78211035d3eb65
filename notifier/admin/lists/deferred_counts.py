"""Counts that take longer than a page may take: the page comes at once, and its counts follow.

A page asks `counted_url` whether its counts come later. If so it leaves them out, and its template includes
`confirm/deferred_counts.html`: htmx loads the same page with its counts, and puts the missing parts in their places.
Without JavaScript a link leads to that page. The button, when it is pressed, counts again.
"""

from django.http import HttpRequest

from notifier.broadcasts import audience

#: In the URL of a page that counts while it is made.
PARAMETER = "counted"
#: Up to so many clients are counted while the page is made, which takes about 30 ms.
AT_ONCE = 100_000


def is_long(*, topics: int = 1) -> bool:
    """Whether there are many clients to count; each topic is a pass over all of them."""
    return topics * audience.most() > AT_ONCE


def counted_url(request: HttpRequest, *, is_long: bool) -> str:
    """The URL of this page with its counts; empty where the page has them already."""
    if not is_long or request.method != "GET" or PARAMETER in request.GET:
        return ""
    query = request.GET.copy()
    query[PARAMETER] = "1"
    return f"{request.path}?{query.urlencode(safe=',')}"
