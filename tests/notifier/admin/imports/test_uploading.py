"""Uploads of clients that can't be taken."""

import re

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.imports import uploading
from notifier.clients.imports import uploads
from notifier.models import ClientImport
from tests.notifier.admin.imports.test_import_admin import upload

pytestmark = pytest.mark.both_engines


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"Name,E-Mail\n", "a header row but no clients below it"),
        (b"\x89PNG\0", "not a text file or an Excel workbook"),
        (b'Name\n"Ann', "has an opening quotation mark that is never closed"),
    ],
)
def test_a_file_that_can_not_be_read_is_told_on_the_spot(importer: Browser, content: bytes, words: str) -> None:
    response = upload(importer, content)

    assert response.status_code == 200
    assert words in response.content.decode()
    assert not ClientImport.objects.exists()


def test_more_rows_than_a_page_takes_are_refused_and_no_command_is_shown_to_staff(importer: Browser) -> None:
    row = b"Ann,ann%d@example.com\n"
    exact = b"name,email\n" + b"".join(row % number for number in range(uploads.MAX_ROWS))

    too_many = upload(importer, exact + row % 9999).content.decode()

    assert "more than 5,000 rows" in too_many
    assert "Split the file into smaller ones" in too_many
    assert not re.search("manage.py|<pre|<code", too_many)
    assert not ClientImport.objects.exists()
    assert upload(importer, exact).status_code == 302


def test_a_larger_upload_is_refused_before_it_is_read(importer: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.http.multipartparser.MultiPartParser.parse", lambda parser: pytest.fail("was read"))
    too_long = uploads.MAX_BYTES + uploading.ENVELOPE_BYTES + 1

    response = importer.post(
        reverse("admin:notifier_clientimport_upload"),
        data=b"x" * too_long,
        content_type="multipart/form-data; boundary=x",
    )

    assert response.headers["Location"] == reverse("admin:notifier_clientimport_upload")


@pytest.mark.parametrize(("house_mb", "most"), [(10, "2 MB"), (1, "1 MB")])
def test_a_file_that_is_a_little_too_large_is_told_so_in_the_words_of_the_import(
    importer: Browser, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, house_mb: int, most: str
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 2_000_000)
    settings.UPLOAD_MAX_MB = house_mb
    line = b"Ann,ann@example.com".ljust(999) + b"\n"
    exact = b"name,email\n" + line * (uploading.max_bytes() // 1_000)
    exact = exact[: uploading.max_bytes() - 1] + b"\n"

    page = upload(importer, exact + b"\n")

    assert page.status_code == 200
    assert f"The file is larger than {most}. See below how to import it." in page.content.decode()
    assert f"rows and {most}." in page.content.decode()
    assert not ClientImport.objects.exists()
    assert upload(importer, exact).status_code == 302


@pytest.mark.parametrize("over", [1, 50_000, uploading.ENVELOPE_BYTES + 1])
def test_no_upload_of_clients_meets_the_page_for_what_is_too_large(
    importer: Browser, settings: LazySettings, over: int
) -> None:
    settings.UPLOAD_MAX_MB = 1
    too_large = b"name,email\n".ljust(1_000_000 + over, b"\n")

    page = importer.post(
        reverse("admin:notifier_clientimport_upload"), {"file": SimpleUploadedFile("a.csv", too_large)}, follow=True
    )

    assert page.status_code == 200
    assert "The file is larger than 1 MB." in page.content.decode()


def test_an_upload_without_its_token_is_refused_all_the_same(superuser: User) -> None:
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(superuser)

    assert upload(strict).status_code == 403
    assert not ClientImport.objects.exists()
