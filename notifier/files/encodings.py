"""In which encoding a text is written: found where the bytes tell, and left to the reader's choice where they don't."""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from notifier.files.base import FileError

CHUNK_BYTES = 1024 * 1024
#: Encodings of before UTF-8. Nothing in a file tells which of them it is, except that some bytes mean nothing in some.
CHOICES = {
    "cp1252": "Western European (Windows)",
    "mac_roman": "Western European (old Mac)",
    "cp850": "Western European (DOS)",
    "cp437": "United States (DOS)",
    "cp1250": "Central European (Windows)",
    "cp1251": "Cyrillic (Windows)",
    "cp1253": "Greek (Windows)",
    "cp1254": "Turkish (Windows)",
    "cp1257": "Baltic (Windows)",
    "cp932": "Japanese (Shift-JIS)",
    "gb18030": "Chinese, simplified (GB 18030)",
    "big5": "Chinese, traditional (Big5)",
    "cp949": "Korean",
}
#: Keeps every byte as a letter, so that the choice can be made later.
AS_BYTES = "latin-1"
#: Nobody has chosen yet.
UNKNOWN = "?"
#: What Windows writes in Western Europe, by far the most common of them.
LIKELIEST = "cp1252"
_NAMES = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Latin-1 (Windows)", AS_BYTES: "Latin-1"}

#: What no text in windows-1252 has: bytes without a letter; signs between letters, such as a quotation mark or a pound;
#: capitals behind small letters; three letters in a row that are not ASCII. Other encodings' letters look like that.
_NOT_1252 = re.compile(
    rb"[\x81\x8d\x8f\x90\x9d\x9f]|[a-z][\x8a\x8c\x8e\xc0-\xd6\xd8-\xde]|[\x80-\xff]{3}"
    rb"|[A-Za-z][\x80\x82-\x89\x8b\x93-\x99\x9b\xa1-\xb3\xb5\xb6\xb8-\xbf][a-z\xe0-\xff]"
)
#: The character that `surrogateescape` makes of a byte that is not UTF-8.
_ESCAPED = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_NO_TEXT = re.compile("[\x01-\x08\x0e-\x19]")
_C1 = re.compile("[\x80-\x9f]")
#: DOS wrote it behind the end of a text. Within a line it is no worse than any control character.
_CTRL_Z = "\x1a"
_ENDS_HERE = re.compile(r"(?:^|[\r\n])\x1a|\x1a\Z")

NO_TEXT = "This is not a text file or an Excel workbook. Save it as CSV (UTF-8) or as .xlsx, and choose it again."
_AGAIN = "Save it again as CSV (UTF-8), and choose it again."


class EncodingUnknown(FileError):
    """It is a text of before UTF-8, and its bytes don't tell in which encoding."""


def name(encoding: str) -> str:
    return _NAMES.get(encoding) or CHOICES.get(encoding, "an unknown encoding")


@dataclass(frozen=True, slots=True)
class Found:
    #: UTF-8 or UTF-16; or the one that was chosen, or that is the likeliest.
    encoding: str
    #: Whether the bytes themselves tell it.
    is_certain: bool


def find(file: BinaryIO, chosen: str = "") -> Found:
    """UTF-8 with or without a byte-order mark; UTF-16 with one; otherwise what was chosen, or Windows' own.

    It reads the whole file, so that one that is damaged in the middle is refused before anything is done with it.
    Raises `EncodingUnknown` where nothing was chosen and Windows has no letter for some of its bytes.
    """
    file.seek(0)
    mark = file.read(3)
    if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        _check_utf16(file)
        return Found("utf-16", is_certain=True)
    survey = _survey(file)
    if not survey.strange:
        return Found("utf-8-sig", is_certain=True)
    # Other encodings are rarely valid UTF-8 by chance: with as many valid letters as others, the file is damaged UTF-8.
    if mark == codecs.BOM_UTF8 or (survey.proper >= survey.strange and chosen in ("", AS_BYTES)):
        raise FileError(
            f"Line {survey.strange_line} has characters that can’t be read, although the rest of the file is UTF-8. "
            f"It is damaged, or was put together from different kinds of files. {_AGAIN}"
        )
    if not chosen and not survey.is_1252:
        raise EncodingUnknown(
            f"The characters on line {survey.strange_line} can be read in several ways, because the file is not UTF-8. "
            "Choose the encoding it was saved in, or save it again as CSV (UTF-8)."
        )
    if chosen and chosen != AS_BYTES:
        _check(file, chosen)
    return Found(chosen or LIKELIEST, is_certain=False)


def possible(texts: Iterable[str]) -> list[str]:
    """The encodings in which these texts, which were read `AS_BYTES`, mean something; the likeliest first."""
    joined = "\n".join(text for text in texts if not text.isascii())
    return [one for one in CHOICES if (text := _decoded(joined, one)) is not None and not _C1.search(text)]


def decoded(text: str, encoding: str) -> str:
    """A text that was read `AS_BYTES`. What means nothing in this encoding becomes a question mark."""
    return text if text.isascii() else text.encode(AS_BYTES).decode(encoding, "replace")


def _decoded(text: str, encoding: str) -> str | None:
    try:
        return text.encode(AS_BYTES).decode(encoding)
    except UnicodeDecodeError:
        return None


def _check(file: BinaryIO, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 0
    try:
        for chunk in chunks(file):
            lines += _line_ends(decoder.decode(chunk))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = lines + _line_ends(error.object[: error.start].decode(AS_BYTES)) + 1
        said = f"Line {line} has characters that {name(encoding)} does not have. Choose another encoding."
        raise FileError(said) from error


# --- What the bytes tell ----------------------------------------------------------------------------------------------
@dataclass
class _Survey:
    proper: int = 0
    strange: int = 0
    strange_line: int = 0
    lines: int = 0
    is_1252: bool = True
    #: The line on which DOS would have ended the file.
    ended_on: int = 0

    def add(self, text: str) -> None:
        if found := _ESCAPED.search(text):
            if not self.strange:
                self.strange_line = self.line_at(text, found.start())
            strange = len(_ESCAPED.findall(text))
            self.strange += strange
            self.proper -= strange
        if not text.isascii():
            self.proper += len(_NOT_ASCII.findall(text))
        if "\0" in text:
            raise FileError(_why_null(text, self.line_at(text, text.index("\0"))))
        self._look_for_end(text)
        self.lines += _line_ends(text)

    def line_at(self, text: str, at: int) -> int:
        return self.lines + _line_ends(text[:at]) + 1

    def _look_for_end(self, text: str) -> None:
        if not self.ended_on and (found := _ENDS_HERE.search(text)):
            self.ended_on, text = self.line_at(text, found.end()), text[found.end() :]
        if self.ended_on and text.strip(f"{_CTRL_Z} \t\r\n,;|"):
            raise FileError(
                f"Line {self.ended_on} has an old end-of-file character (Ctrl-Z) with more text after it: the file "
                f"was put together from several. Delete that character. {_AGAIN}"
            )


def _line_ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _why_null(text: str, line: int) -> str:
    nulls = text.count("\0")
    if nulls > len(text) // 4 and nulls > 10:
        return f"This may be a UTF-16 file that is not marked as one. {_AGAIN}"
    # A program or a picture has other signs as well that no text has.
    if nulls > 2 and (_NO_TEXT.search(text) or nulls * 9 > len(text)):
        return NO_TEXT
    return f"Line {line} has a character that is not text (NUL): the file is damaged there. Delete it. {_AGAIN}"


def _survey(file: BinaryIO) -> _Survey:
    survey = _Survey()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in chunks(file):
        survey.is_1252 = survey.is_1252 and not _NOT_1252.search(chunk)
        survey.add(decoder.decode(chunk))
    survey.add(decoder.decode(b"", final=True))
    return survey


def _check_utf16(file: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-16")()
    lines = 0
    try:
        for chunk in chunks(file):
            text = decoder.decode(chunk)
            if "\0" in text:
                raise FileError(_why_null(text, lines + _line_ends(text[: text.index("\0")]) + 1))
            lines += _line_ends(text)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FileError(
            f"The file is marked as UTF-16 but can’t be read as such: it is incomplete or damaged. {_AGAIN}"
        ) from error


def chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def samples(rows: Sequence[Sequence[str]], encoding: str, *, most: int) -> list[str]:
    """The first cells, read `AS_BYTES`, that have other than ASCII letters, as this encoding has them."""
    odd = (cell for row in rows for cell in row if not cell.isascii())
    return [decoded(cell, encoding) for cell, _ in zip(odd, range(most), strict=False)]
