"""Short digests of what a page showed. The page posts one back, so that what is done is done to exactly that.

A digest is the same in every process and after every start, and says nothing that the page did not.
"""

import hashlib
from array import array
from collections.abc import Iterable
from typing import Any

from django.db.models import Model


class NotAsShown(Exception):
    """What an act is about is no longer what the page showed. Nothing was done: show it again, and ask again."""


def digest(values: Iterable[Any]) -> str:
    """Sixteen characters for these values in this order."""
    found = hashlib.blake2b(digest_size=8)
    for value in values:
        # A digest of each: no two values can read like one.
        found.update(hashlib.blake2b(canonical(value).encode(errors="surrogatepass"), digest_size=8).digest())
    return found.hexdigest()


def digest_of_ids(ids: array) -> str:
    """Of the rows with these keys, which may be a million: in their order."""
    return hashlib.blake2b(ids.tobytes(), digest_size=8).hexdigest()


def canonical(value: Any) -> str:
    """The value as text, the same whether it comes from the database or from a form.

    Empty is NULL, a row is its key, several rows are their keys in order, and line ends are those of the database.
    """
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, Model):
        return str(value.pk)
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if isinstance(value, Iterable):
        return ",".join(sorted(canonical(each) for each in value))
    return str(value)
