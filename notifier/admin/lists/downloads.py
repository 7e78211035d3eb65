"""Rows as a file that a browser downloads: CSV while it is written, XLSX once it is whole."""

from collections.abc import Callable, Iterable, Sequence
from tempfile import TemporaryFile
from typing import Any, cast

from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse

from notifier.files import spreadsheets

Header = Sequence[str]
Rows = Iterable[Sequence[object]]


def _csv(header: Header, rows: Rows, name: str) -> HttpResponseBase:
    return StreamingHttpResponse(
        spreadsheets.stream_csv(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def _xlsx(header: Header, rows: Rows, name: str) -> HttpResponseBase:
    file = TemporaryFile()  # noqa: SIM115  (the response closes it)
    spreadsheets.write_xlsx(header, rows, cast(Any, file))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx")


#: By the kind that a URL or a form names. The name is that of the file, without its ending.
KINDS: dict[str, Callable[[Header, Rows, str], HttpResponseBase]] = {"csv": _csv, "xlsx": _xlsx}
