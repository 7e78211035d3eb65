"""XML of other people's files, read piece by piece: whatever it holds, the memory that it takes is bounded."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from xml.parsers import expat

CHUNK_BYTES = 64 * 1024
#: The longest comment, tag or text in one piece: the parser begins it again with each chunk until it is whole.
MAX_PIECE_BYTES = 1024 * 1024
#: A workbook's own parts are some ten deep.
MAX_DEPTH = 64
#: A character that XML has no place for, as a workbook writes it: `_x000D_` is a line end.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class BrokenXml(Exception):
    """It is not XML, or none that a spreadsheet writes."""


class Handler(Protocol):
    """Is told of each element by its name without its namespace, and hands out what is complete."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str, text: str) -> None:
        """`text`: the characters since the last beginning or end of an element."""

    def take(self) -> list[Any]: ...


def walk(stream: Any, handler: Handler, refuse_when_late: Callable[[], None]) -> Iterator[Any]:
    """What the handler hands out, after each chunk of the stream; before that, `refuse_when_late` may raise its error.

    Raises `BrokenXml`.
    """
    text: list[str] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise BrokenXml("its elements are nested too deep")
        text.clear()
        handler.start(_local(name), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(_local(name), "".join(text))
        text.clear()

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text.append
    # Only a declaration of its own lets a file name entities that unfold to more than any memory.
    parser.StartDoctypeDeclHandler = _refuse
    fed = 0
    try:
        while chunk := stream.read(CHUNK_BYTES):
            refuse_when_late()
            parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > MAX_PIECE_BYTES:
                raise BrokenXml("one piece of it is too long")
            yield from handler.take()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BrokenXml(str(error)) from error
    yield from handler.take()


def attribute(attributes: dict[str, str], name: str) -> str:
    """By its name without its namespace: two standards have two of them."""
    return next((value for key, value in attributes.items() if _local(key) == name), "")


def unescaped(text: str) -> str:
    """With each `_x0041_` as the character that it means."""
    return _ESCAPED.sub(_character, text) if "_x" in text else text


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    # Half of a pair is no character.
    return "\ufffd" if 0xD800 <= number <= 0xDFFF else chr(number)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refuse(*_: Any) -> None:
    raise BrokenXml("it has a document type of its own")
