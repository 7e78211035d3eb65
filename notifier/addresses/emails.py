"""E-mail addresses in one form, so that two spellings of one mailbox are never two addresses.

Clients, imports, suppressions, digests, searches and webhooks all compare this form. Its domain is in Unicode, as
people write it, by UTS 46 without transitional processing: `faß.de` and `fass.de` are two domains, as they are in the
DNS, and a joiner stands only where IDNA 2008 has a rule for it (RFC 5892, appendix A). `in_ascii` writes it as SMTP
takes it.
"""

import ipaddress
import re
import unicodedata
from contextlib import suppress

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

MAX_LETTERS = 254
#: A message quotes no more of an address.
MAX_SHOWN_LETTERS = 60

#: Categories whose characters nobody sees: control, format, unassigned, private, surrogates, separators of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
#: What Unicode counts as letters and marks, and nobody sees either: fillers, joiners and variation selectors.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINERS = "\u200c\u200d"
#: Without any of these only capitals can differ.
_ODD = re.compile(r'[^\x20-\x7e]|"|\[|xn--', re.IGNORECASE)
#: A local part that needs no quotation marks (RFC 5321, 4.1.2).
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LITERAL = re.compile(r"\[(?:ipv6:)?([0-9a-f:.]+)\]", re.IGNORECASE)
#: What domains were rid of when mail was sent, by IDNA 2003 (RFC 3454, B.1).
_DROPPED = re.compile("[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")


# --- The one form -----------------------------------------------------------------------------------------------------
def read(text: str) -> str:
    """The address in its one form; raises ValueError with what is wrong, where it is not one that mail can go to."""
    text = text.strip()
    if (at := _first_invisible(text)) is not None:
        raise ValueError(_why_invisible(text, at))
    address = canonical(text)
    try:
        written = in_ascii(address)
    except UnicodeError as error:
        raise ValueError(f"“{shortened(text)}” is not an e-mail address that mail can be sent to.") from error
    if not (_is_valid(written) or _is_valid(address)):
        raise ValueError(f"“{shortened(text)}” is not an e-mail address.")
    if max(len(address), len(written)) > MAX_LETTERS:
        raise ValueError(f"The e-mail address is longer than {MAX_LETTERS} characters.")
    return address


def canonical(text: str) -> str:
    """The one form of an address. What `read` would refuse comes back too, as close to the form as it can be."""
    text = text.strip()
    if not _ODD.search(text):
        return text.lower()
    text = unicodedata.normalize("NFC", text)
    local, at, domain = text.rpartition("@")
    if not at:
        return text.lower()
    # A domain with an invisible character stays as it is: UTS 46 would drop the character, and nobody would hear of it.
    mapped = domain.lower() if _first_invisible(text) is not None else _mapped_domain(domain)
    return f"{_plain_local(local)}@{mapped}"


def in_ascii(address: str) -> str:
    """As SMTP takes it, with its domain in Punycode. Raises UnicodeError where it can't be written in ASCII."""
    local, _, domain = canonical(address).rpartition("@")
    local.encode("ascii")
    return f"{local}@{domain_in_ascii(domain)}"


def domain_in_ascii(domain: str) -> str:
    """A domain in Punycode. Raises UnicodeError where it can't be written so."""
    if domain.startswith("["):
        return domain
    return ".".join(_ascii_label(label) for label in _mapped_domain(domain).split(".")) if domain else ""


def _ascii_label(label: str) -> str:
    written = label if label.isascii() else idna.alabel(label).decode()
    if not 0 < len(written) < 64:
        raise UnicodeError("a part of the domain is empty or too long")
    return written


def spellings(address: str) -> list[str]:
    """All forms in which a digest may have been made of the address; the one form comes first."""
    typed, one = address.strip().lower(), canonical(address)
    if one.isascii() and typed == one:
        return [one]
    found = [one, typed, unicodedata.normalize("NFD", one)]
    with suppress(UnicodeError):
        found.append(in_ascii(one))
    return list(dict.fromkeys(found))


def searched(text: str) -> str:
    """The address, or its beginning, that somebody looks for: whatever is invisible in it came along with a copy."""
    return canonical(visible(text))


def visible(text: str) -> str:
    """Without the characters that nobody sees."""
    return "".join(char for at, char in enumerate(text) if not _is_invisible(text, at))


def repaired(stored: str) -> str:
    """The address that mail to `stored` went to, while domains were still rid of invisible characters when it was sent.

    For addresses from before there was one form.
    """
    local, at, domain = stored.rpartition("@")
    return canonical(f"{local}{at}{_DROPPED.sub('', domain)}")


# --- Its parts --------------------------------------------------------------------------------------------------------
def _plain_local(local: str) -> str:
    """Without quotation marks that mean nothing: "ann"@ and "a\\nn"@ are ann@ (RFC 5321, 4.1.2)."""
    local = local.lower()
    if len(local) < 3 or not (local[0] == local[-1] == '"'):
        return local
    inside = re.sub(r"\\(.)", r"\1", local[1:-1], flags=re.DOTALL)
    if _DOT_ATOM.fullmatch(inside):
        return inside
    return '"' + re.sub(r'(["\\])', r"\\\1", inside) + '"'


def _mapped_domain(domain: str) -> str:
    if not _ODD.search(domain):
        # As UTS 46 has it too, which looks every letter up.
        return domain.lower()
    if literal := _LITERAL.fullmatch(domain):
        return _plain_literal(domain, literal[1])
    try:
        # Not `str.lower` before it, which has rules of its own for Greek and Turkish.
        mapped = idna.uts46_remap(domain, std3_rules=False)
    except idna.IDNAError:
        return domain.lower()
    return ".".join(_unicode_label(label) for label in mapped.split("."))


def _unicode_label(label: str) -> str:
    """In Unicode where IDNA 2008 allows it; the database must find nothing in it to lower-case."""
    try:
        found = idna.ulabel(label) if label.startswith("xn--") else label
        if found.isascii():
            return label
        if found == found.lower() and idna.uts46_remap(found) == found:
            return found
        return idna.alabel(found).decode()
    except idna.IDNAError:
        return label


def _plain_literal(domain: str, number: str) -> str:
    try:
        return f"[{ipaddress.ip_address(number)}]"
    except ValueError:
        return domain.lower()


def _is_valid(address: str) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True


# --- Invisible characters ---------------------------------------------------------------------------------------------
def _is_invisible(text: str, at: int) -> bool:
    char = text[at]
    if char in _JOINERS:
        # In a domain some scripts need them, and `idna` knows where.
        return "@" not in text[:at]
    return (char > "\x7e" and (unicodedata.category(char) in _UNSEEN or bool(_FILLERS.match(char)))) or char < " "


def _first_invisible(text: str) -> int | None:
    if text.isascii() and text.isprintable():
        return None
    return next((at for at in range(len(text)) if _is_invisible(text, at)), None)


def _why_invisible(text: str, at: int) -> str:
    before = "".join(char for place, char in enumerate(text[:at]) if not _is_invisible(text, place))
    shown = "".join(char for place, char in enumerate(text) if not _is_invisible(text, place))
    where = f"after “…{before[-3:]}”" if len(before) > 3 else f"after “{before}”" if before else "at its beginning"
    name = f"U+{ord(text[at]):04X} {unicodedata.name(text[at], '').lower()}".strip()
    return (
        f"“{shortened(shown)}” contains an invisible character {where} ({name}). Delete it, or type the address again."
    )


def shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_LETTERS else f"{text[: MAX_SHOWN_LETTERS - 1]}…"
