"""The brand on the pages that clients open. Its colours are a style sheet, because their policy allows nothing else."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from notifier.messages import brands, pictures
from notifier.messages.brands import BrandLook
from notifier.messages.email import LOGO_BOX
from notifier.models import Brand
from notifier.runtime import versions

#: The page names the colours, so that others have another address.
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}
# The colour was checked against the words on it. As that of links it is good on white alone.
_STYLES = """:root {{ --button: {brand.colour}; --on-button: {brand.ink}; }}
@media not (prefers-color-scheme: dark) {{
  :root {{ --brand: {brand.link_colour}; --brand-strong: {brand.link_colour}; }}
}}
"""


def shown(brand: BrandLook) -> dict[str, Any]:
    """What `public/base.html` shows of it."""
    has_colours = (brand.colour, brand.ink) != (brands.NEUTRAL.colour, brands.NEUTRAL.ink)
    version = versions.digest([brand.colour, brand.ink])
    found: dict[str, Any] = {
        "brand_styles": f"{reverse('brand_styles')}?v={version}" if has_colours else "",
        "reply_line": brand.reply_line,
        "address_lines": brand.postal_address.splitlines(),
    }
    if brand.logo:
        width, height = pictures.shown_size(brand.logo, widest=LOGO_BOX[0], highest=LOGO_BOX[1])
        found |= {"logo": reverse("picture", args=[brand.logo]), "logo_width": width, "logo_height": height}
    return found


@require_safe
def style_sheet(request: HttpRequest) -> HttpResponse:
    styles = _STYLES.format(brand=Brand.objects.look())
    return HttpResponse(styles, content_type="text/css; charset=utf-8", headers=HEADERS)
