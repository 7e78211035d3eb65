"""Addresses in settings, spelled as mail and links need them: quoted, percent-encoded, and with domains in ASCII."""

import re
from email.utils import parseaddr
from urllib.parse import quote, urlsplit

import idna

#: What stands without quotation marks before the address of a sender (RFC 5322, 3.2.3), and letters beyond ASCII.
_PLAIN_NAME = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]*")
_SENDER = re.compile(r"([^<>]*)<([^<>]*)>")
_LOCAL_PART = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]")
#: RFC 1035, 2.3.4: what the name of a host has room for.
_MAX_HOST = 253
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def site_url(text: str) -> str:
    """The URL of a site without the slash at its end, its domain in Punycode and its path percent-encoded.

    Raises ValueError with what is wrong, without the URL.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("can’t be read as a web address") from error
    if _CONTROL.search(text) or parts.scheme not in ("http", "https") or not host:
        raise ValueError("is not a web address")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password, which would be in every message")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("contains a ? or #, but paths of clients’ pages are added to it")
    path = quote(_LONE_PERCENT.sub("%25", parts.path), safe="/%:@!$&()*+,;=~").rstrip("/")
    return f"{parts.scheme}://{_ascii_host(host)}{f':{port}' if port is not None else ''}{path}"


def sender(text: str) -> str:
    """A sender as it stands in From, such as `"Acme, Inc." <news@acme.example>`; raises ValueError with what is wrong.

    A name is put into quotation marks where it needs them: without, its comma would end the first of two senders.
    """
    if _CONTROL.search(text):
        raise ValueError("contains control characters")
    found = _SENDER.fullmatch(text)
    if found is None:
        return mailbox(text)
    name, address = _unquoted(found[1].strip()), mailbox(found[2].strip())
    if not name:
        return address
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    written = f"{name} <{address}>" if _PLAIN_NAME.fullmatch(name) else f'"{escaped}" <{address}>'
    if parseaddr(written) != (name, address):
        raise ValueError("has a name that can’t be used in e-mails")
    return written


def mailbox(text: str) -> str:
    """An e-mail address of our own, with its domain in Punycode; raises ValueError with what is wrong."""
    local, _, domain = text.rpartition("@")
    if not _LOCAL_PART.fullmatch(local):
        raise ValueError("has no address that every mail server accepts")
    return f"{local}@{_ascii_host(domain)}"


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _ascii_host(host: str) -> str:
    # The dot that ends a name where it is looked up belongs neither into a link nor behind an address.
    host = f"[{host}]" if ":" in host else host.removesuffix(".")
    try:
        # By UTS 46, and IDNA 2008: faß.de is not fass.de.
        written = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError("has an invalid host name") from error
    if not _HOST.fullmatch(written) or len(written) > _MAX_HOST:
        raise ValueError("has an invalid host name")
    return written
