import pytest
from django.core.files.storage import storages

from notifier.messages import pictures
from notifier.models import Picture
from notifier.pictures import decoding, storing
from tests.support.factories import a_picture, a_picture_file, a_user

pytestmark = pytest.mark.django_db


def test_a_picture_is_kept_under_a_name_that_nobody_can_guess_and_that_holds_its_size() -> None:
    staff = a_user()

    first = storing.add(file=a_picture_file(), alt="Homes", by=staff)
    second = storing.add(file=a_picture_file(), alt="Homes", by=staff)

    assert pictures.NAME.fullmatch(first.name)
    assert first.name.endswith("-40x30.png")
    # The same picture, and another secret.
    assert first.name[:17] == second.name[:17]
    assert first.name != second.name
    assert storing.read(first.name).startswith(b"\x89PNG")
    assert len(storing.read(first.name)) == first.size_bytes
    assert storing.read(f"{pictures.SMALL}{first.name}").startswith(b"\x89PNG")
    assert (first.width, first.height, first.uploaded_by) == (40, 30, staff)


def test_what_is_no_picture_leaves_nothing() -> None:
    with pytest.raises(decoding.BadPicture):
        storing.add(file=a_picture_file(kind="BMP"), alt="Homes", by=None)

    assert not Picture.objects.exists()


def test_without_a_row_no_file_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(storages["pictures"].listdir("")[1]) if storages["pictures"].exists("") else set()

    with pytest.raises(Exception, match=r"NOT NULL|null value"):
        storing.add(file=a_picture_file(), alt=None, by=None)  # type: ignore[arg-type]

    assert set(storages["pictures"].listdir("")[1]) == before


@pytest.mark.django_db(transaction=True)
def test_its_files_go_once_the_row_is_gone() -> None:
    picture = a_picture()
    name = picture.name

    storing.delete(picture)

    for one in (name, f"{pictures.SMALL}{name}"):
        with pytest.raises(FileNotFoundError):
            storing.read(one)


def test_a_storage_that_is_away_is_told_of_without_its_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise OSError("s3://key:secret@bucket")

    monkeypatch.setattr(type(storages["pictures"]), "_save", fail)

    with pytest.raises(storing.StorageDown, match="can’t be stored at the moment"):
        a_picture()

    assert "secret" not in caplog.text
    assert not Picture.objects.exists()
