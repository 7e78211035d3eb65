"""What each column means: guessed from the header, and checked before a row is read."""

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notifier.fields.definitions import Definition
from notifier.models import Channel

#: The channels, as the meaning of a column names them.
EMAIL, SMS = Channel.EMAIL.value, Channel.SMS.value
CHANNELS = tuple(Channel.values)
#: Both channels of a topic in one cell: "both", "e-mail", "SMS" or "neither".
BOTH = "both"
#: Columns that a file of failed rows has in addition. An import ignores them.
LINE_HEADER, WHY_HEADER = "Line", "Reason for rejection"
#: With what the second was called before: staff may still have such a file.
REPORT_HEADERS = (LINE_HEADER, WHY_HEADER, "Why it was not taken")

NOTHING = ""
FIELDS = {
    "name": "Full name",
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail address",
    "phone": "Phone number",
    "language": "Language",
    "time_zone": "Time zone",
    "tags": "Tags, separated by commas or semicolons",
}
#: Before the key of a field that staff defined. No topic's short name has such a character.
FIELD_PREFIX = "field:"

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
    "language": "language lang languagecode locale preferredlanguage clientlanguage sprache muttersprache "
    "korrespondenzsprache langue idioma lengua lingua taal",
    "time_zone": "timezone tz zone zeitzone fuseauhoraire zonahoraria tijdzone",
    "tags": "tag tags taglist keywords",
}
#: Columns of address books, which count where there is no better one: Outlook's and CiviCRM's.
_SECOND_BEST = {
    "email": "homeemail workemail businessemail mainemail",
    "phone": "primaryphone homephone homephonemobile homephonephone mainphonemobile mainphonephone workphone "
    "businessphone",
}
#: Of fields: each name without blanks, accents and capitals.
FIELD_NAMES = {word: field for field, words in _SYNONYMS.items() for word in words.split()}
_CHANNEL_OF = {
    **dict.fromkeys("email mail emails mails newsletter".split(), EMAIL),
    **dict.fromkeys("sms text texts textmessage textmessages mobile phone".split(), SMS),
    **dict.fromkeys("both channels channel".split(), BOTH),
}
_NUMBER = frozenset("no nr num nos number numbers".split())
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


def field_meaning(definition: Definition) -> str:
    """As `arrange` reads it: field:member_since."""
    return f"{FIELD_PREFIX}{definition.key}"


def choices(topics: Iterable[TopicRef], fields: Iterable[Definition] = ()) -> dict[str, str]:
    """The meanings that a column may have, with their names on the screen. `fields`: those that staff defined."""
    found = {NOTHING: "Don’t import", **FIELDS}
    for definition in fields:
        found[field_meaning(definition)] = f"{definition.label} ({definition.field.get_kind_display().lower()})"
    for topic in topics:
        found[f"{topic.slug}.{EMAIL}"] = f"{topic.name}: by e-mail"
        found[f"{topic.slug}.{SMS}"] = f"{topic.name}: by SMS"
        found[f"{topic.slug}.{BOTH}"] = f"{topic.name}: both, e-mail, SMS or neither"
    return found


# --- Guessing ---------------------------------------------------------------------------------------------------------
def guess(header: Sequence[str], topics: Sequence[TopicRef], fields: Iterable[Definition] = ()) -> list[str]:
    """The most likely meaning of each column, of which `arrange` accepts all together.

    No meaning is given twice: the first column that fits gets it.
    """
    meanings: list[str] = []
    defined = list(fields)
    by_name = {name: field_meaning(one) for one in reversed(defined) for name in names_of(one)}
    known = choices(topics, defined)
    for name in header:
        meaning = _meaning(name, topics, by_name, known)
        meanings.append(NOTHING if meaning in meanings else meaning)
    meanings = _with_one_column_a_channel(meanings, header, topics)
    for field, words in _SECOND_BEST.items():
        for column, name in enumerate(header):
            if field not in meanings and not meanings[column] and plain(name) in words.split():
                meanings[column] = field
    return with_one_name(meanings)


def _with_one_column_a_channel(meanings: Sequence[str], header: Sequence[str], topics: Sequence[TopicRef]) -> list[str]:
    """A column of both channels gives way to one that names its channel.

    Beside a column for SMS alone, one that is called as the topic and names no channel is the one for e-mail. Nothing
    tells what any other is: staff choose it.
    """
    found = list(meanings)
    for topic in topics:
        by_email, by_sms, both = (f"{topic.slug}.{channel}" for channel in (EMAIL, SMS, BOTH))
        if both not in found or not {by_email, by_sms} & set(found):
            continue
        column = found.index(both)
        is_the_other = by_email not in found and _is_called(header[column], topic)
        found[column] = by_email if is_the_other else NOTHING
    return found


def _is_called(name: str, topic: TopicRef) -> bool:
    """Whether the header is the topic's name, and no word of a channel beside it."""
    rests = (_without(_words(name), _words(called)) for called in (topic.name, topic.slug))
    return any(rest is not None and set(rest) <= _FILLERS for rest in rests)


def with_one_name(meanings: Sequence[str]) -> list[str]:
    """Beside a last name alone "Name" is the first name, and the other way round.

    Beside both it is the full name, which counts for those of whom neither is known.
    """
    has_first, has_last = "first_name" in meanings, "last_name" in meanings
    if has_first == has_last:
        return list(meanings)
    instead = "first_name" if has_last else "last_name"
    return [instead if meaning == "name" else meaning for meaning in meanings]


def names_of(definition: Definition) -> list[str]:
    """How a column of this field may be called, as `plain` writes it."""
    return [name for name in (plain(definition.label), plain(definition.key)) if name]


def _meaning(name: str, topics: Sequence[TopicRef], by_name: Mapping[str, str], known: Mapping[str, str]) -> str:
    """`by_name`: the fields that staff defined. A name that addresses have everywhere is never theirs."""
    if name in REPORT_HEADERS:
        return NOTHING
    if name.strip().casefold() in known:
        return name.strip().casefold()
    words = _words(name)
    if field := _field(words) or by_name.get("".join(words), NOTHING):
        return field
    # The longest first: "New listings" is not about "Listings".
    for topic in sorted(topics, key=lambda one: len(one.name), reverse=True):
        for named in (_words(topic.name), _words(topic.slug)):
            rest = _without(words, named)
            if rest is not None and (channel := _channel(rest)):
                return f"{topic.slug}.{channel}"
    return NOTHING


def _field(words: Sequence[str]) -> str:
    """The field of this name; of a phone number with or without “No.” after it."""
    field = FIELD_NAMES.get("".join(words), NOTHING)
    if not field and len(words) > 1 and words[-1] in _NUMBER and FIELD_NAMES.get("".join(words[:-1])) == "phone":
        return "phone"
    return field


def plain(name: str) -> str:
    """A column's name without what is written in many ways: blanks, accents, capitals, dots and dashes."""
    return "".join(_words(name))


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
    consents: Sequence[tuple[int, str, ConsentColumn]]
    #: The columns of fields that staff defined, by their position.
    values: Mapping[int, Definition] = dataclasses.field(default_factory=dict)
    #: The country of phone numbers without a country code; without it they are refused.
    region: str | None = None

    @property
    def consent_columns(self) -> list[ConsentColumn]:
        """All topics and channels that a row may be about, in a fixed order."""
        return sorted({one for _, channel, consent in self.consents for one in spread(channel, consent)})


def spread(channel: str, consent: ConsentColumn) -> Iterator[ConsentColumn]:
    yield from (ConsentColumn(consent.topic, one) for one in (CHANNELS if channel == BOTH else (channel,)))


def arrange(
    meanings: Sequence[str],
    topics: Sequence[TopicRef],
    defined: Iterable[Definition] = (),
    *,
    region: str | None = None,
) -> Layout:
    """Raises `MappingError` where a meaning is unknown or given twice, or no column identifies the client.

    `defined`: the fields that staff defined and that take values.
    """
    by_slug = {topic.slug: topic for topic in topics}
    by_meaning = {field_meaning(one): one for one in defined}
    labels = choices(topics, by_meaning.values())
    fields: dict[str, int] = {}
    values: dict[int, Definition] = {}
    consents: list[tuple[int, str, ConsentColumn]] = []
    for column, meaning in enumerate(meanings):
        if meaning not in labels:
            raise MappingError(_unknown(meaning), column=column)
        if meaning in fields or (meaning in meanings[:column] and meaning):
            text = f"Two columns are matched to “{labels[meaning]}”. Keep one, and don’t import the other."
            raise MappingError(text, column=column)
        slug, dot, channel = meaning.rpartition(".")
        if meaning in by_meaning:
            values[column] = by_meaning[meaning]
        elif dot:
            consents.append((column, channel, ConsentColumn(by_slug[slug].pk, channel)))
        elif meaning:
            fields[meaning] = column
    _check(fields, consents, topics)
    return Layout(fields=fields, consents=consents, values=values, region=region)


def _unknown(meaning: str) -> str:
    if meaning.startswith(FIELD_PREFIX):
        return f"There is no field “{meaning.removeprefix(FIELD_PREFIX)}”, or it was retired. Choose again."
    return f"“{meaning}” is not something a column can contain."


def _check(
    fields: Mapping[str, int], consents: Sequence[tuple[int, str, ConsentColumn]], topics: Sequence[TopicRef]
) -> None:
    if "email" not in fields and "phone" not in fields:
        text = "Choose the column with the e-mail address or phone number. These are used to find clients."
        raise MappingError(text, column=0)
    if "name" in fields and ("first_name" in fields) != ("last_name" in fields):
        text = "Beside the full name, choose the columns of both the first name and the last name, or of neither."
        raise MappingError(text, column=fields["name"])
    consent_columns = [one for _, channel, consent in consents for one in spread(channel, consent)]
    for topic in topics:
        if any(consent_columns.count(ConsentColumn(topic.pk, channel)) > 1 for channel in CHANNELS):
            text = f"Two columns are about {topic.name} by the same channel. Keep one of them."
            last = max(column for column, _, consent in consents if consent.topic == topic.pk)
            raise MappingError(text, column=last)
