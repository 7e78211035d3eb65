"""What a mail server's answer says about an address, by its enhanced status (RFC 3463; registry: RFC 5248)."""

import re
from enum import Enum

#: A status stands after the reply code, whose first digit it repeats. Anything else of that shape is an IP address.
_REPLY = re.compile(r"(?<![\d.])([245])\d\d[ -][#(]?(\1\.\d{1,3}\.\d{1,3})(?!\d|\.\d)")
#: Without a reply code it counts at the beginning, or where a report names it as its status (RFC 3464, 2.3.4).
_STATUS = re.compile(r"(?:^(?:smtp; ?)?[#(]?|\bstatus: ?)([245]\.\d{1,3}\.\d{1,3})(?!\d|\.\d)", re.IGNORECASE)
#: A reply code alone: at the beginning, or after what introduces a server's words.
_CODE = re.compile(r"(?:^|[:;] ?|\bsaid |\breplied )([245])\d\d(?=[ -]|$)")
#: Who is at fault where the status leaves it open.
_OF_THE_SENDER = re.compile(r"\bsender\b|\bmail from\b|\bfrom address\b|\breturn-path\b", re.IGNORECASE)
#: Many servers refuse the sender, its server or the message with the status of a mailbox that does not exist.
_OF_POLICY = re.compile(
    r"\b(?:ip|your (?:domain|host|server)|polic(?:y|ies)|reputation|spam\w*|unsolicited|spf|dkim|dmarc|relay\w*)\b"
    r"|\bunauthenticated\b|\bauthenticat|\b(?:black|block|deny)[ -]?list|\bspamhaus\b|\bbarracuda\b|\b(?:dns)?[rb]l\b"
    r"|(?<!not )\blisted (?:by|on|at)\b|\btoo (?:large|big)\b|\bsize limit\b",
    re.IGNORECASE,
)
#: The mailbox is there, and gets too much at the moment.
_TOO_FAST = re.compile(r"\bat a rate\b|\brate[ -]limit|\btoo (?:quickly|fast|many)\b", re.IGNORECASE)

#: There is no such mailbox, domain or form of an address; it has moved; its domain takes no mail (RFC 7505).
_NO_ADDRESS = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
#: The mailbox is closed.
_CLOSED = {"5.2.1"}
#: Of the sender's address.
_SENDERS_ADDRESS = ("1.7", "1.8")
#: Too large; the protocol, the content, and policy: the message and its sender are refused, whoever it is for.
_OF_THE_MESSAGE = ("3.4", "5.", "6.", "7.")


class Finding(Enum):
    #: The address does not exist or refuses for good.
    FOR_GOOD = "for good"
    #: It can't be reached now: full, away, tried for too long.
    FOR_NOW = "for now"
    #: The message or its sender was refused, which says nothing about the address.
    NOT_THE_ADDRESS = "not the address"
    #: The answer leaves it open.
    OPEN = "open"


def finding(answer: str) -> Finding:
    """What the answer says about the address that the message was for."""
    found = _REPLY.search(answer)
    if status := found[2] if found else (alone := _STATUS.search(answer)) and alone[1]:
        return _of_status(status, answer)
    code = _CODE.search(answer)
    if code is None:
        return Finding.OPEN
    if _OF_THE_SENDER.search(answer):
        return Finding.NOT_THE_ADDRESS
    return Finding.FOR_NOW if code[1] == "4" else Finding.OPEN


def _of_status(status: str, answer: str) -> Finding:
    rest = status[2:]
    if rest in _SENDERS_ADDRESS or rest.startswith(_OF_THE_MESSAGE):
        return Finding.NOT_THE_ADDRESS
    if rest == "1.0" and _OF_THE_SENDER.search(answer):
        return Finding.NOT_THE_ADDRESS
    if status in _NO_ADDRESS or status in _CLOSED:
        return _of_words(answer)
    # 5.0.0 and the like say no more than that it failed for good.
    return Finding.OPEN if status.startswith("5.0.") else Finding.FOR_NOW


def _of_words(answer: str) -> Finding:
    """What the words leave of a status that says that there is no mailbox: they are the surer where they differ.

    An address may have any words in it.
    """
    words = " ".join(word for word in answer.split() if "@" not in word)
    if _OF_THE_SENDER.search(words) or _OF_POLICY.search(words):
        return Finding.NOT_THE_ADDRESS
    return Finding.FOR_NOW if _TOO_FAST.search(words) else Finding.FOR_GOOD
