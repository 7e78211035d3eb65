"""A page that has to count very many clients comes at once, without its counts; the browser then fetches them.

The page asks for its `counted_url`. If it gets one, it leaves the counts out, and its template includes
`confirm/deferred_counts.html`: htmx loads that URL, and puts the missing parts in their places. Without JavaScript
there is a link to it. When the button is pressed, all is counted again.
"""

from django.http import HttpRequest

from notifier.audience import topic_counts

#: The parameter of the URL that asks for the page together with its counts.
PARAMETER = "counted"
#: Up to so many clients are counted at once, which takes about 30 ms.
AT_ONCE = 100_000


def is_long(*, topics: int = 1) -> bool:
    """Whether there are many clients to count; each topic is a pass over all of them."""
    return topics * topic_counts.most() > AT_ONCE


def counted_url(request: HttpRequest, *, is_long: bool) -> str:
    """The URL of this page with its counts; empty where the page has them already."""
    if not is_long or request.method != "GET" or PARAMETER in request.GET:
        return ""
    query = request.GET.copy()
    query[PARAMETER] = "1"
    return f"{request.path}?{query.urlencode(safe=',')}"
