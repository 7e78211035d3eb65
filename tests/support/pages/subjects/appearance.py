"""How e-mails look: their pictures, and the brand."""

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.support.factories import a_picture_file
from tests.support.pages.of_model import of_model
from tests.support.pages.page import Picture, Rows


def _file(rows: Rows) -> SimpleUploadedFile:
    return SimpleUploadedFile("homes.png", a_picture_file().getvalue(), "image/png")


PAGES = [
    *of_model(
        "notifier_picture",
        view=("view_picture",),
        add=("add_picture",),
        change=("change_picture",),
        delete=("delete_picture",),
        added={"file": _file, "alt": "The new homes"},
        changed={"alt": "Other homes"},
        row_to_delete="spare_picture",
        pictures={
            "changelist": (Picture(name="pictures"),),
            "add": (Picture(name="picture-add"),),
            "change": (Picture(name="picture"),),
        },
    ),
    *of_model(
        "notifier_brand",
        view=("view_brand",),
        change=("change_brand",),
        changed={"name": "Other homes"},
        pictures={"change": (Picture(name="brand"),)},
    ),
]
