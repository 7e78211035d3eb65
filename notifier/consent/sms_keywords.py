"""What an SMS reply asks for: one of the few keywords that carriers and laws define, and nothing else."""

import unicodedata
from enum import Enum

_STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT-OUT", "OPT OUT")
_START = ("START", "YES", "UNSTOP")
_HELP = ("HELP", "INFO")
#: What says the same where carriers take such words: in Canada, in Spain and beyond. No provider acts on them
#: unasked. STOP and START stay what they are in every language, and no local word is a yes.
_LOCAL_STOP = ("ARRET", "ARRÊT", "BAJA")
_LOCAL_HELP = ("AIDE", "AYUDA", "HILFE")


class Wish(Enum):
    STOP = "STOP"
    START = "START"
    HELP = "HELP"


#: Every keyword; those of carriers, to which a provider may have answered itself, first.
CARRIERS = dict.fromkeys(_STOP, Wish.STOP) | dict.fromkeys(_START, Wish.START) | dict.fromkeys(_HELP, Wish.HELP)
KEYWORDS = CARRIERS | dict.fromkeys(_LOCAL_STOP, Wish.STOP) | dict.fromkeys(_LOCAL_HELP, Wish.HELP)


def wish(text: str) -> Wish | None:
    """What `text` asks for, if it is one of the words alone, however it is capitalised.

    Whatever is neither letter nor digit is ignored around it, and full-width letters, as some keyboards write them,
    count as the plain ones. "Please stop" is no keyword: whoever guesses at a sentence guesses wrong one day.
    """
    return KEYWORDS.get(word(text))


def word(text: str) -> str:
    """The text in plain capitals, without spaces and punctuation around it, to compare it with the keywords."""
    plain = unicodedata.normalize("NFKC", text)
    begin, end = 0, len(plain)
    while begin < end and not _is_letter(plain[begin]):
        begin += 1
    while end > begin and not _is_letter(plain[end - 1]):
        end -= 1
    return plain[begin:end].upper()


def is_local(text: str) -> bool:
    """Whether `text` is a keyword that is ours alone, so that nobody but us answers it."""
    return word(text) in KEYWORDS.keys() - CARRIERS.keys()


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LN"
