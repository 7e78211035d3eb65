"""How the organisation shows itself in its e-mails, and whether its colours can be read."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import msgspec

#: The colours of those who have chosen none, and of everything that is not the brand's: `templates/mail/message.html`.
COLOUR, WHITE, DARK = "#4a45c4", "#ffffff", "#1b1c27"
#: Of a text against what is behind it (WCAG 2.2, 1.4.3).
MIN_CONTRAST = 4.5


@dataclass(frozen=True, slots=True)
class BrandLook:
    """What an e-mail shows of a brand. A broadcast keeps it as it was when it was asked for."""

    name: str = ""
    colour: str = COLOUR
    #: The colour of words on it.
    ink: str = WHITE
    #: The name of a picture; empty without one.
    logo: str = ""
    postal_address: str = ""
    reply_line: str = ""

    @property
    def link_colour(self) -> str:
        """Of links on the white of an e-mail: the brand's own, where it can be read there."""
        return self.colour if contrast(self.colour, WHITE) >= MIN_CONTRAST else DARK

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


#: Nothing of it is shown: no name, logo or address.
NEUTRAL = BrandLook()


def of(kept: Any) -> BrandLook:
    """What a broadcast kept, as its model gives it; None as in `read`."""
    return msgspec.convert(kept, type=BrandLook) if kept else NEUTRAL


@lru_cache(maxsize=64)
def read(kept: str | None) -> BrandLook:
    """What a broadcast kept, as the database gives it: JSON. NULL is a broadcast of before there were brands.

    A field that a later release adds is passed over, and one that is missing is neutral.
    """
    return msgspec.json.decode(kept, type=BrandLook) if kept else NEUTRAL


def contrast(one: str, other: str) -> float:
    """How much two colours, each like #4a45c4, stand out from one another: 1 to 21 (WCAG 2.2, contrast ratio)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
