"""The conditions while they are entered: what a page posts, with mistakes and all, and the document that it makes.

It works without JavaScript: every button submits the whole form, and the page comes back with what was typed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.http import QueryDict
from django.utils.translation import gettext

from notifier.admin.audiences import subjects
from notifier.admin.audiences.subjects import MenuOption, Subject
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import BadDocument, Document, Group, Line
from notifier.saved_audiences.known import Known

#: How a section's conditions are joined; "!" is its opposite. The first section is the audience itself.
WHOLE = [MenuOption("all", "all of these hold"), MenuOption("any", "any of these holds")]
GROUPS = [
    MenuOption("any", "any of these holds"),
    MenuOption("all", "all of these hold"),
    MenuOption("!any", "none of these holds"),
    MenuOption("!all", "not all of these hold"),
]


@dataclass(slots=True)
class DraftLine:
    #: As in "0-2": its section and its place in it, by which its fields are called.
    name: str
    key: str
    #: None: it is about something that is gone.
    subject: Subject | None
    verb: str = ""
    row: str = ""
    text: str = ""
    chosen: list[str] = field(default_factory=list)
    line: Line | None = None
    mistake: str = ""
    #: How many clients it holds for, in words.
    count: str = ""

    @property
    def takes_value(self) -> bool:
        """Whether what is said needs a value to be compared with."""
        about, verb = self.key.partition(":")[0], self.verb.removeprefix("!")
        return documents.VERBS.get(about, {}).get(verb, range(2))[-1] > 0

    @property
    def needs_hint(self) -> bool:
        """Whether there is anything to fill in that it could be about."""
        return self.takes_value or bool(self.subject and self.subject.rows)

    @property
    def label(self) -> str:
        return self.subject.label if self.subject else "Something that was deleted"

    def read(self, known: Known) -> None:
        if self.subject is None:
            self.mistake = gettext("This was deleted. Remove the condition.")
            return
        try:
            self.line = subjects.read(
                self.subject, verb=self.verb, row=self.row, text=self.text, chosen=self.chosen, known=known
            )
        except ValueError as error:
            self.mistake = str(error)


@dataclass(slots=True)
class Section:
    number: int
    join: str
    lines: list[DraftLine] = field(default_factory=list)

    @property
    def joins(self) -> list[MenuOption]:
        return GROUPS if self.number else WHOLE


@dataclass(slots=True)
class DraftAudience:
    sections: list[Section]

    def lines(self) -> Iterator[DraftLine]:
        for section in self.sections:
            yield from section.lines

    @property
    def may_add(self) -> bool:
        return sum(1 for _ in self.lines()) < documents.MAX_LINES

    @property
    def may_group(self) -> bool:
        return self.may_add and len(self.sections) <= documents.MAX_GROUPS

    def document(self) -> Document:
        """Raises `BadDocument` where something of it is missing or wrong."""
        if any(line.mistake for line in self.lines()):
            raise BadDocument(gettext("Correct the conditions that are marked."))
        whole, *groups = self.sections
        parts: list[Line | Group] = [one.line for one in whole.lines if one.line]
        for section in groups:
            inside = tuple(one.line for one in section.lines if one.line)
            parts.append(Group(inside, section.join.removeprefix("!"), section.join.startswith("!")))
        found = Document(tuple(parts), whole.join)
        documents.check_size(found)
        return found


# --- From a document --------------------------------------------------------------------------------------------------
def of_document(document: Document, offered: Mapping[str, Subject], known: Known) -> DraftAudience:
    whole = Section(0, document.join)
    groups: list[Section] = []
    for part in document.parts:
        if isinstance(part, Line):
            whole.lines.append(_of_line(part, whole, offered))
            continue
        section = Section(len(groups) + 1, f"!{part.join}" if part.is_negated else part.join)
        for line in part.lines:
            section.lines.append(_of_line(line, section, offered))
        groups.append(section)
    draft = DraftAudience([whole, *groups])
    for one in draft.lines():
        one.read(known)
    return draft


def empty() -> DraftAudience:
    return DraftAudience([Section(0, documents.ALL)])


def _of_line(line: Line, section: Section, offered: Mapping[str, Subject]) -> DraftLine:
    key = f"{line.about}:{line.id}" if line.about == documents.FIELD else line.about
    subject, verb = offered.get(key), subjects.verb_key(line)
    if subject and verb not in {option.value for option in subject.verbs}:
        # What is not offered, but was saved, stays as it is.
        opposite = next((one.label for one in subject.verbs if one.value == line.verb), line.verb)
        subject = _with_verb(subject, MenuOption(verb, f"not: {opposite}"))
    return DraftLine(
        name=f"{section.number}-{len(section.lines)}",
        key=key,
        subject=subject,
        verb=verb,
        row=str(line.id),
        text=subjects.typed(line, subject) if subject and subject.takes_text else "",
        chosen=[str(value) for value in line.values] if subject and subject.options else [],
    )


def _with_verb(subject: Subject, verb: MenuOption) -> Subject:
    return Subject(
        subject.key,
        subject.label,
        [*subject.verbs, verb],
        subject.rows,
        subject.options,
        subject.takes_text,
        subject.hint,
        subject.definition,
    )


# --- From a form ------------------------------------------------------------------------------------------------------
def of_posted(posted: QueryDict, offered: Mapping[str, Subject], known: Known) -> DraftAudience:
    """What was entered, after the button that was pressed has added or removed something."""
    act, _, where = posted.get("do", "").partition(":")
    draft = DraftAudience([])
    for number in range(documents.MAX_GROUPS + 1):
        if number and (f"{number}-join" not in posted or (act, where) == ("ungroup", str(number))):
            continue
        section = Section(len(draft.sections), _join(posted, number, GROUPS if number else WHOLE))
        draft.sections.append(section)
        names = (f"{number}-{place}" for place in range(documents.MAX_LINES))
        for name in (one for one in names if f"{one}-about" in posted and (act, where) != ("remove", one)):
            section.lines.append(_of_fields(posted, name, section, offered))
        if act == "add" and where == str(number) and draft.may_add:
            _add(section, posted.get(f"{number}-new", ""), offered)
    if act == "group" and draft.may_group:
        draft.sections.append(Section(len(draft.sections), documents.ANY))
    for line in draft.lines():
        line.read(known)
    return draft


def _join(posted: QueryDict, number: int, joins: list[MenuOption]) -> str:
    given = posted.get(f"{number}-join", "")
    return given if given in {option.value for option in joins} else joins[0].value


def _of_fields(posted: QueryDict, name: str, section: Section, offered: Mapping[str, Subject]) -> DraftLine:
    key, verb = posted.get(f"{name}-about", ""), posted.get(f"{name}-verb", "")
    subject = offered.get(key)
    plain = verb.removeprefix("!")
    if subject and verb not in {one.value for one in subject.verbs} and plain in documents.VERBS[subject.about]:
        subject = _with_verb(subject, MenuOption(verb, f"not: {plain}"))
    return DraftLine(
        name=f"{section.number}-{len(section.lines)}",
        key=key,
        subject=subject,
        verb=verb,
        row=posted.get(f"{name}-row", ""),
        text=posted.get(f"{name}-text", "")[: documents.MAX_VALUES * documents.MAX_LETTERS],
        chosen=posted.getlist(f"{name}-chosen")[: documents.MAX_VALUES],
    )


def _add(section: Section, key: str, offered: Mapping[str, Subject]) -> None:
    if subject := offered.get(key):
        verb = subject.verbs[0].value
        section.lines.append(DraftLine(f"{section.number}-{len(section.lines)}", key, subject, verb=verb))
