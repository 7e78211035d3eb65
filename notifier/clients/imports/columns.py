"""What each column means: guessed from the header, and checked before a row is read."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

#: The channels, as the meaning of a column names them.
EMAIL, SMS = "email", "sms"
CHANNELS = (EMAIL, SMS)
#: Both channels of a topic in one cell: "both", "e-mail", "SMS" or "neither".
BOTH = "both"
#: Columns that a file of failed rows has in addition. An import ignores them.
LINE_HEADER, WHY_HEADER = "Line", "Why it was not taken"

NOTHING = ""
FIELDS = {
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail address",
    "phone": "Phone number",
    "time_zone": "Time zone",
}

_SYNONYMS = {
    "name": "name fullname clientname client customer contact displayname nom nome nombre naam kunde kundenname",
    "first_name": "firstname first givenname forename vorname prenom nombredepila voornaam",
    "last_name": "lastname last surname familyname nachname familienname apellido apellidos achternaam nomdefamille",
    "email": "email emailaddress mail mailaddress emails emailadresse emailadres correo correoelectronico courriel "
    # As Google exports contacts.
    "email1value email1 email1address primaryemail",
    "phone": "phone phonenumber mobile mobilephone mobilenumber mobilphone cell cellphone tel telephone "
    "telephonenumber telefon telefonnummer handy handynummer mobil mobilnummer mobiltelefon gsm telefono movil "
    "portable telefoon sms smsnumber phone1value phone1",
    "time_zone": "timezone tz zone zeitzone fuseauhoraire zonahoraria tijdzone",
}
#: Columns of address books, which count where there is no better one: Outlook's and CiviCRM's.
_SECOND_BEST = {
    "email": "homeemail workemail businessemail mainemail",
    "phone": "primaryphone homephone homephonemobile homephonephone mainphonemobile mainphonephone workphone "
    "businessphone",
}
_FIELD_OF = {word: field for field, words in _SYNONYMS.items() for word in words.split()}
_CHANNEL_OF = {
    **dict.fromkeys("email mail emails mails newsletter".split(), EMAIL),
    **dict.fromkeys("sms text texts textmessage textmessages mobile phone".split(), SMS),
    **dict.fromkeys("both channels channel".split(), BOTH),
}
#: Words in a header that add nothing to the topic.
_FILLERS = set(
    "by via per through wants want consent consents opt in optin subscribed subscription agreed to e".split()
)


@dataclass(frozen=True, slots=True)
class TopicRef:
    """A topic that a column may be about."""

    pk: int
    slug: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class ConsentColumn:
    """A topic and a channel: what a cell may say yes or no to."""

    topic: int
    channel: str


class MappingError(Exception):
    """The columns can't be read like this; the message says what to change, and `column` where; None: elsewhere."""

    def __init__(self, text: str, *, column: int | None = None) -> None:
        super().__init__(text)
        self.column = column


def choices(subjects: Iterable[TopicRef]) -> dict[str, str]:
    """The meanings that a column may have, with their names on the screen."""
    found = {NOTHING: "Don’t import", **FIELDS}
    for subject in subjects:
        found[f"{subject.slug}.{EMAIL}"] = f"{subject.name}: by e-mail"
        found[f"{subject.slug}.{SMS}"] = f"{subject.name}: by SMS"
        found[f"{subject.slug}.{BOTH}"] = f"{subject.name}: both, e-mail, SMS or neither"
    return found


# --- Guessing ---------------------------------------------------------------------------------------------------------
def guess(header: Sequence[str], subjects: Sequence[TopicRef]) -> list[str]:
    """The most likely meaning of each column. No meaning is given twice: the first column that fits gets it."""
    meanings: list[str] = []
    for name in header:
        meaning = _meaning(name, subjects)
        meanings.append(NOTHING if meaning in meanings else meaning)
    for field, words in _SECOND_BEST.items():
        for column, name in enumerate(header):
            if field not in meanings and not meanings[column] and "".join(_words(name)) in words.split():
                meanings[column] = field
    return _with_one_name(meanings)


def _with_one_name(meanings: Sequence[str]) -> list[str]:
    """Beside a last name alone "Name" is the first name, and the other way round; beside both it says nothing new."""
    has_first, has_last = "first_name" in meanings, "last_name" in meanings
    if not (has_first or has_last):
        return list(meanings)
    instead = NOTHING if has_first and has_last else "first_name" if has_last else "last_name"
    return [instead if meaning == "name" else meaning for meaning in meanings]


def _meaning(name: str, subjects: Sequence[TopicRef]) -> str:
    if name in (LINE_HEADER, WHY_HEADER):
        return NOTHING
    if name.strip().casefold() in choices(subjects):
        return name.strip().casefold()
    words = _words(name)
    if field := _FIELD_OF.get("".join(words)):
        return field
    # The longest first: "New listings" is not about "Listings".
    for subject in sorted(subjects, key=lambda one: len(one.name), reverse=True):
        for named in (_words(subject.name), _words(subject.slug)):
            rest = _without(words, named)
            if rest is not None and (channel := _channel(rest)):
                return f"{subject.slug}.{channel}"
    return NOTHING


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))


def _without(words: Sequence[str], named: Sequence[str]) -> list[str] | None:
    """The words around the topic's name; None where the header does not contain the name in one piece."""
    for start in range(len(words) - len(named) + 1):
        if named and list(words[start : start + len(named)]) == list(named):
            return [*words[:start], *words[start + len(named) :]]
    return None


def _channel(rest: Sequence[str]) -> str:
    """The channel that the words name; empty where they mean something unknown."""
    consent_columns = [word for word in rest if word not in _FILLERS]
    channels = {_CHANNEL_OF.get(word, NOTHING) for word in consent_columns}
    if not consent_columns or BOTH in channels or channels == {EMAIL, SMS}:
        return BOTH
    return channels.pop() if len(channels) == 1 else NOTHING


# --- Checking ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Layout:
    """What each column means, checked. `arrange` makes it."""

    #: The position of each field's column.
    fields: Mapping[str, int]
    #: The columns about a topic: position, channel, and what the cell is about.
    wants: Sequence[tuple[int, str, ConsentColumn]]

    @property
    def consent_columns(self) -> list[ConsentColumn]:
        """All topics and channels that a row may be about, in a fixed order."""
        return sorted({one for _, channel, want in self.wants for one in spread(channel, want)})


def spread(channel: str, want: ConsentColumn) -> Iterator[ConsentColumn]:
    yield from (ConsentColumn(want.topic, one) for one in (CHANNELS if channel == BOTH else (channel,)))


def arrange(meanings: Sequence[str], subjects: Sequence[TopicRef]) -> Layout:
    """Raises `MappingError` where a meaning is unknown or given twice, or no column identifies the client."""
    by_slug = {subject.slug: subject for subject in subjects}
    labels = choices(subjects)
    fields: dict[str, int] = {}
    wants: list[tuple[int, str, ConsentColumn]] = []
    for column, meaning in enumerate(meanings):
        if meaning not in labels:
            raise MappingError(f"“{meaning}” is nothing that a column can be.", column=column)
        if meaning in fields or (meaning in meanings[:column] and meaning):
            text = f"Two columns are “{labels[meaning]}”. Keep one, and don’t import the other."
            raise MappingError(text, column=column)
        slug, dot, channel = meaning.rpartition(".")
        if dot:
            wants.append((column, channel, ConsentColumn(by_slug[slug].pk, channel)))
        elif meaning:
            fields[meaning] = column
    _check(fields, wants, subjects)
    return Layout(fields=fields, wants=wants)


def _check(
    fields: Mapping[str, int], wants: Sequence[tuple[int, str, ConsentColumn]], subjects: Sequence[TopicRef]
) -> None:
    if "email" not in fields and "phone" not in fields:
        text = "Say which column holds the e-mail address or the phone number: clients are found by them."
        raise MappingError(text, column=0)
    if "name" in fields and ("first_name" in fields or "last_name" in fields):
        text = "Take the name from one column, or from those of the first and the last name, not from both."
        raise MappingError(text, column=fields["name"])
    consent_columns = [one for _, channel, want in wants for one in spread(channel, want)]
    for subject in subjects:
        if any(consent_columns.count(ConsentColumn(subject.pk, channel)) > 1 for channel in CHANNELS):
            text = f"Two columns speak of {subject.name} by the same channel. Keep one of them."
            raise MappingError(text, column=max(column for column, _, want in wants if want.topic == subject.pk))
