"""Where the files of pictures lie: a folder, or a bucket that speaks S3 (`STORAGES` in the settings)."""

import hashlib
import logging
import secrets
from typing import Any, BinaryIO

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import transaction

from notifier.messages import pictures
from notifier.models import Picture
from notifier.pictures import decoding

logger = logging.getLogger(__name__)


class StorageDown(Exception):
    """The files can't be read or written at the moment."""


def add(*, file: BinaryIO, alt: str, by: User | None) -> Picture:
    """A new picture of an uploaded file. Raises `decoding.BadPicture` and `StorageDown`; nothing is left then."""
    return keep(decoded=decoding.decode(file), alt=alt, by=by)


def keep(*, decoded: decoding.Decoded, alt: str, by: User | None) -> Picture:
    name = _new_name(decoded)
    # The files first: a row without its files would be shown to clients.
    _save(name, decoded.data)
    try:
        _save(f"{pictures.SMALL}{name}", decoded.small)
        return Picture.objects.create(
            name=name,
            alt=alt,
            width=decoded.width,
            height=decoded.height,
            size_bytes=len(decoded.data),
            uploaded_by=by,
        )
    except BaseException:
        _remove(name)
        raise


def read(name: str) -> bytes:
    """What is in the file of that name; raises `FileNotFoundError` and `StorageDown`."""
    try:
        with _storage().open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _down(error) from error


def delete(picture: Picture) -> None:
    """The row, and its files once that is committed. Whoever calls it holds the row's lock and knows it is unused."""
    name = picture.name
    picture.delete()
    transaction.on_commit(lambda: _remove(name))


def _new_name(decoded: decoding.Decoded) -> str:
    digest = hashlib.sha256(decoded.data).hexdigest()[:16]
    return f"{digest}-{secrets.token_hex(8)}-{decoded.width}x{decoded.height}.{decoded.ending}"


def _save(name: str, data: bytes) -> None:
    try:
        kept = _storage().save(name, ContentFile(data))
    except Exception as error:
        raise _down(error) from error
    assert kept == name, "a name that was taken"  # noqa: S101  (64 random bits)


def _remove(name: str) -> None:
    """A file that stays behind costs a little room and does no harm."""
    for one in (name, f"{pictures.SMALL}{name}"):
        try:
            _storage().delete(one)
        except Exception as error:  # noqa: BLE001  (a bucket's client has errors of its own)
            logger.warning("The file of a deleted picture is left behind: %s", type(error).__name__)


def _storage() -> Any:
    return storages["pictures"]


def _down(error: Exception) -> StorageDown:
    # Its text may hold the bucket's address and key.
    logger.error("The storage of pictures can’t be used: %s", type(error).__name__)
    return StorageDown("Pictures can’t be stored at the moment. Please try again in a few minutes.")
