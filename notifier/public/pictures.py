"""Pictures as mail programs load them: whoever has the address may, and nobody can guess it."""

from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from notifier.messages import pictures
from notifier.pictures import storing

#: What a name stands for never changes.
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # A mail program on the web is another site, and the frame of an e-mail has no origin at all.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Robots-Tag": "noindex",
}
TYPES = {"jpg": "image/jpeg", "png": "image/png"}


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    if not pictures.NAME.fullmatch(name.removeprefix(pictures.SMALL)):
        raise Http404
    try:
        data = storing.read(name)
    except FileNotFoundError as error:
        raise Http404 from error
    except storing.StorageDown:
        return HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Cache-Control": "no-store"})
    return HttpResponse(data, content_type=TYPES[name.rpartition(".")[2]], headers=HEADERS)
