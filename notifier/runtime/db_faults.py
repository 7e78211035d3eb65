"""Tells the two kinds of database errors apart: the database can't be used now, or it refuses the data for good."""

from django import db

#: The database answered, and refused the data. It would refuse the same data again.
WRONG_DATA = (db.DataError, db.IntegrityError)


def is_away(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the database can't be reached, has no room, or ended a deadlock."""
    return isinstance(error, db.Error) and not isinstance(error, WRONG_DATA)
