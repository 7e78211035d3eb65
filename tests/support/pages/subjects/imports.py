"""The steps of an import, and the record of it."""

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.support.datasets.everything import CLIENTS
from tests.support.pages.of_model import of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, Rows, at
from tests.support.pages.steps import carry_out_import, look_at_import, upload

IMPORT: Needs = ("import_client",)


def _file(rows: Rows) -> SimpleUploadedFile:
    return SimpleUploadedFile("clients.csv", CLIENTS)


PAGES = [
    *of_model(
        "notifier_clientimport",
        view=("view_clientimport",),
        sends_on="history",
        pictures={"changelist": (Picture(name="imports"),)},
    ),
    Page(
        name="notifier_clientimport_upload",
        needs=IMPORT,
        opens=(at(),),
        posts=(Post(data={"file": _file}),),
        pictures=(
            Picture(name="import"),
            Picture(name="import-columns", prepare=upload),
            Picture(name="import-preview", prepare=look_at_import, docs="import"),
            Picture(name="import-result", prepare=carry_out_import),
        ),
    ),
    Page(
        name="notifier_clientimport_columns",
        needs=IMPORT,
        opens=(at("{upload}"),),
        posts=(Post(at=at("{upload}"), data={"column-0": "email", "column-1": "name"}),),
    ),
    Page(
        name="notifier_clientimport_preview",
        needs=IMPORT,
        opens=(at("{upload}"),),
        posts=(Post(at=at("{upload}"), has_form=True, data={"evidence": "signed at the fair"}),),
    ),
    Page(name="notifier_clientimport_failed_rows", needs=IMPORT, kind=Kind.FILE, opens=(at("{upload}"),)),
    Page(name="notifier_clientimport_discard", needs=IMPORT, kind=Kind.ACTION, posts=(Post(at=at("{upload}")),)),
]
