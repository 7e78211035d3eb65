"""What the database must offer so that the migrations can run: clients are found by name with it. Read only."""

from collections.abc import Iterator
from typing import Any, NamedTuple

#: As `sqlite3.sqlite_version_info` has it: the first with trigrams in its full-text index.
OLDEST_SQLITE = (3, 34)
#: What PostgreSQL needs of `pg_trgm`: whether a migration finds it, in which schema it is, whether the server has it,
#: and whether this user may create it.
_EXTENSION = """
    SELECT EXISTS (SELECT FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)),
        (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'),
        EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'),
        has_database_privilege(current_database(), 'CREATE'),
        current_user, current_database(), current_setting('server_encoding')
"""


class Lack(NamedTuple):
    what: str
    #: What to do about it.
    remedy: str


def lacking(connection: Any) -> list[Lack]:
    """What it lacks, in sentences for whoever runs the database; empty where `migrate` can run."""
    with connection.cursor() as cursor:
        return list((_of_sqlite if connection.vendor == "sqlite" else _of_postgresql)(cursor))


def _of_sqlite(cursor: Any) -> Iterator[Lack]:
    cursor.execute("SELECT sqlite_version(), sqlite_compileoption_used('ENABLE_FTS5')")
    version, has_full_text = cursor.fetchone()
    if tuple(map(int, version.split("."))) < OLDEST_SQLITE or not has_full_text:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        yield Lack(
            f"The SQLite of this Python, {version}, has no full-text search (FTS5) with trigrams, by which clients are "
            "found by name.",
            f"Use a Python with SQLite {oldest} or newer, built with FTS5, or PostgreSQL.",
        )


def _of_postgresql(cursor: Any) -> Iterator[Lack]:
    cursor.execute(_EXTENSION)
    is_found, schema, is_available, may_create, user, name, encoding = cursor.fetchone()
    if encoding != "UTF8":
        yield Lack(
            f"The database {name} has the encoding {encoding}, in which not every client’s name can be written.",
            "Create a database with the encoding UTF8, and restore a dump of this one into it.",
        )
    needed = "the extension pg_trgm, by which clients are found by name"
    if is_found:
        return
    if schema:
        yield Lack(
            f"The database {name} has {needed}, but in the schema {schema}, where the user {user} doesn’t look.",
            f'Have an administrator run this in it: ALTER ROLE "{user}" IN DATABASE "{name}" '
            f"SET search_path TO public, {schema};",
        )
    elif not is_available:
        yield Lack(
            f"The PostgreSQL server doesn’t have {needed}.",
            "Install PostgreSQL’s own additional modules on the server (on Debian and Red Hat: postgresql-contrib).",
        )
    elif not may_create:
        yield Lack(
            f"The database {name} doesn’t have {needed}, and the user {user} may not create it.",
            "Have an administrator run this in it: CREATE EXTENSION pg_trgm;",
        )
