"""What a zipped file is, and the parts of an Excel workbook, by their relations and not by their names."""

import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from notifier.files import xml
from notifier.files.base import FileError, Limits

BROKEN = "This Excel workbook is incomplete or damaged. Save it again as .xlsx, and choose it again."
#: More parts have no meaning, and looking through them takes long.
MAX_PARTS = 10_000
#: Of the list of the sheets, and of what refers to what: that of a large workbook has some kilobytes.
MAX_OUTLINE_BYTES = 1024 * 1024

#: A part that only this kind of file has, and what the file is.
_OTHER_KINDS = {
    "xl/workbook.bin": "an Excel binary workbook (.xlsb)",
    "index/document.iwa": "a document of Apple Numbers, Pages or Keynote",
    "index.zip": "a document of Apple Numbers, Pages or Keynote",
    "word/document.xml": "a Word document (.docx)",
    "ppt/presentation.xml": "a PowerPoint presentation (.pptx)",
}
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument.spreadsheet"
_SAVE = "Open it, save the sheet as an Excel workbook (.xlsx) or as CSV (UTF-8), and choose that file."


@dataclass(frozen=True, slots=True)
class Worksheet:
    name: str
    is_hidden: bool
    #: Its part in the archive.
    part: str


class Book:
    """An open workbook. Its parts are found however they are called and capitalised."""

    def __init__(self, archive: zipfile.ZipFile, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._deadline = limits.deadline()
        self._parts = {part.filename.replace("\\", "/").lower(): part for part in archive.infolist()}
        self._main = self._only_related("", "officeDocument") or "xl/workbook.xml"
        if self._main not in self._parts:
            raise FileError(_what_it_is(archive, self._parts))
        found = _Outline()
        list(self.walk(self._main, found, most=MAX_OUTLINE_BYTES))
        self.counts_from_1904 = found.counts_from_1904
        related = self._related(self._main)
        self.sheets = [
            Worksheet(name, state not in ("", "visible"), related[relation][1])
            for name, state, relation in found.sheets
            if relation in related and related[relation][0] == "worksheet"
        ]
        self.strings = self._only_related(self._main, "sharedStrings")
        self.styles = self._only_related(self._main, "styles")

    def walk(self, part: str, handler: xml.Handler, *, most: int | None = None) -> Iterator[Any]:
        """As `xml.walk`: all parts together in the time that the limits allow, and none with more bytes than `most`."""
        if most is not None and self._parts[part].file_size > most:
            raise FileError(BROKEN)
        with self._archive.open(self._parts[part]) as stream:
            yield from xml.walk(stream, handler, lambda: self._limits.refuse_after(self._deadline))

    def _only_related(self, part: str, kind: str) -> str:
        return next((name for found, name in self._related(part).values() if found == kind), "")

    def _related(self, part: str) -> dict[str, tuple[str, str]]:
        """The kind and the name of each part that this one refers to, by the relation's id."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels").lstrip("/")
        if relations not in self._parts:
            return {}
        found = _Relations()
        list(self.walk(relations, found, most=MAX_OUTLINE_BYTES))
        return {
            pk: (kind, posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/").lower())
            for pk, kind, target in found.relations
        }


@contextmanager
def opened(file: BinaryIO, limits: Limits) -> Iterator[Book]:
    """Raises `FileError` where it is another kind of file, says what it is, and how to save it."""
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise FileError(BROKEN) from error
    with archive:
        # No reader unpacks more than these sizes say.
        size = sum(part.file_size for part in archive.infolist())
        if len(archive.infolist()) > MAX_PARTS:
            raise FileError(f"The file has more than {MAX_PARTS:,} parts, which is too many for a workbook. {_SAVE}")
        if size > limits.unpacked_bytes:
            raise FileError(
                f"The workbook unpacks to {size / 1_000_000:,.0f} MB, and {limits.unpacked_bytes / 1_000_000:,.0f} MB "
                "is the limit. Save the sheet as CSV (UTF-8), and choose that file."
            )
        yield Book(archive, limits)


def _what_it_is(archive: zipfile.ZipFile, parts: dict[str, zipfile.ZipInfo]) -> str:
    for part, kind in _OTHER_KINDS.items():
        if part in parts:
            return f"This is {kind}, which can’t be read here. {_SAVE}"
    if "mimetype" in parts and archive.read(parts["mimetype"])[:80].startswith(_OPEN_DOCUMENT):
        return f"This is an OpenDocument spreadsheet (.ods), which can’t be read here. {_SAVE}"
    if any(part.startswith(("xl/", "_rels/", "[content_types]")) for part in parts):
        return BROKEN
    return "This is a ZIP archive, not a workbook. Unpack it, and choose the file inside."


# --- Small parts ------------------------------------------------------------------------------------------------------
class _Outline:
    """The sheets of `workbook.xml`, in their order, and from which year its days count."""

    def __init__(self) -> None:
        #: Name, state, id of the relation.
        self.sheets: list[tuple[str, str, str]] = []
        self.counts_from_1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            found = (xml.attribute(attributes, one) for one in ("name", "state", "id"))
            self.sheets.append((xml.unescaped(next(found)), next(found), next(found)))
        elif name == "workbookPr":
            self.counts_from_1904 = attributes.get("date1904") in ("1", "true")

    def end(self, name: str, text: str) -> None:
        pass

    def take(self) -> list[Any]:
        return []


class _Relations:
    def __init__(self) -> None:
        #: Id, kind, target.
        self.relations: list[tuple[str, str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.relations.append((attributes.get("Id", ""), kind, attributes.get("Target", "").replace("\\", "/")))

    def end(self, name: str, text: str) -> None:
        pass

    def take(self) -> list[Any]:
        return []
