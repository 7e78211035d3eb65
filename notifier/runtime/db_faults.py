"""Errors of a database: those of one that is away or busy, and those of the data that it was given."""

from django import db

#: It was reached, and refused what it was given. The same will be refused again.
WRONG_DATA = (db.DataError, db.IntegrityError)


def is_away(error: BaseException) -> bool:
    """Whether the same may succeed later, once the database is there, has room, or is rid of a deadlock."""
    return isinstance(error, db.Error) and not isinstance(error, WRONG_DATA)
