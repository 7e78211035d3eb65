"""The address that a refused one was meant to be, where it can be read in one way only: None where it can't.

Good enough to find the client who withdraws a consent, and for nothing else: nobody is written to by such a reading,
and nobody agrees to anything by it.
"""

import re
import unicodedata
from urllib.parse import unquote

from notifier.addresses import emails, phones

#: A longer cell is no address with something around it.
MAX_LETTERS = 1_000
#: What stands around an address, and in none: Ann <ann@example.com>; mailto:ann@example.com
_AROUND_EMAIL = re.compile(r'[\s<>()\[\],;:"“”„]+')
#: A blank in the midst of an address: what stands on one side of it is somebody else's. ann. smith@example.com
_BROKEN = re.compile(r"\w[._+-]\s+[^\s@]*@|@[^\s@]*\s+\.\w")
_TYPOGRAPHIC = "‘’‚«»‹›"
_PLAIN_QUOTES = ("'", "`")
#: A number with what is written between its digits; letters end it.
_NUMBER = re.compile(r"[+(]{0,2}[0-9][0-9 ().\u2010-\u2015-]*")
#: Decimals that a spreadsheet added.
_DECIMALS = re.compile(r"\.0+$")
#: Fewer digits are an extension, or say something about the number beside them.
_FEWEST_DIGITS = 5


def email(text: str) -> str | None:
    """The one e-mail address in `text`."""
    if len(text) > MAX_LETTERS:
        return None
    text = emails.visible(text)
    if text.lower().startswith("mailto:"):
        text = unquote(text.partition("?")[0])
    if _BROKEN.search(text):
        return None
    found = {_plain_email(word) for word in _AROUND_EMAIL.split(text) if "@" in word}
    return found.pop() if len(found) == 1 else None


def _plain_email(word: str) -> str | None:
    word = word.strip(_TYPOGRAPHIC)
    if word[0] == word[-1] and word[0] in _PLAIN_QUOTES:
        word = word[1:-1]
    local, _, domain = word.rpartition("@")
    try:
        return emails.read(f"{local}@{domain.rstrip('.!?…')}")
    except ValueError:
        return None


def phone(text: str, *, region: str | None) -> str | None:
    """The one phone number in `text`."""
    if len(text) > MAX_LETTERS:
        return None
    runs = _NUMBER.findall(unicodedata.normalize("NFKC", emails.visible(text)))
    found = {_plain_phone(run, region) for run in runs if sum(map(str.isdigit, run)) >= _FEWEST_DIGITS}
    return found.pop() if len(found) == 1 else None


def _plain_phone(run: str, region: str | None) -> str | None:
    written = _DECIMALS.sub("", run.rstrip(" (-."))
    if written.startswith("00") and region is None:
        written = f"+{written[2:]}"
    try:
        return phones.read(written, region=region).number
    except ValueError:
        return None
