# ruff: noqa: S608 - what is put into SQL as text stands in this file
"""A client's full name is the first and the last name, wherever one of these is known: the database holds it.

A process of the release before writes the full name alone, and knows of no parts. So a full name that comes without
them is taken, and the parts, which may be somebody else's by now, are emptied. Parts that come with another full name
are refused, as a constraint would. Triggers, because a constraint of the table can't tell one from the other; on
SQLite they know built-in functions alone.
"""

from django.db import migrations

DIFFERS = "(NEW.first_name <> '' OR NEW.last_name <> '') AND NEW.name <> trim(NEW.first_name || ' ' || NEW.last_name)"
MESSAGE = "client_name_of_parts: the full name is not the first and the last name"

POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION notifier_name_of_parts() RETURNS trigger LANGUAGE plpgsql AS $parts$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF NEW.first_name = OLD.first_name AND NEW.last_name = OLD.last_name THEN
                NEW.first_name := '';
                NEW.last_name := '';
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'check_violation';
    END
    $parts$
    """,
    # Asked before the function is called: for nearly every row it says no.
    f"""
    CREATE OR REPLACE TRIGGER client_name_of_parts
    BEFORE INSERT OR UPDATE OF name, first_name, last_name ON notifier_client
    FOR EACH ROW WHEN ({DIFFERS}) EXECUTE FUNCTION notifier_name_of_parts()
    """,
)
NOT_POSTGRESQL = (
    "DROP TRIGGER IF EXISTS client_name_of_parts ON notifier_client",
    "DROP FUNCTION IF EXISTS notifier_name_of_parts()",
)

PARTS_CHANGED = "(OLD.first_name <> NEW.first_name OR OLD.last_name <> NEW.last_name)"
REFUSE = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
TRIGGERS = {
    "client_parts_added": f"BEFORE INSERT ON notifier_client WHEN {DIFFERS} {REFUSE}",
    "client_parts_changed": (
        f"BEFORE UPDATE OF name, first_name, last_name ON notifier_client WHEN {DIFFERS} AND {PARTS_CHANGED} {REFUSE}"
    ),
    "client_parts_outdated": (
        f"AFTER UPDATE OF name ON notifier_client WHEN {DIFFERS} AND NOT {PARTS_CHANGED} "
        "BEGIN UPDATE notifier_client SET first_name = '', last_name = '' WHERE id = NEW.id; END"
    ),
}


def add_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        statements = POSTGRESQL
    else:
        statements = tuple(f"CREATE TRIGGER IF NOT EXISTS {name} {body}" for name, body in TRIGGERS.items())
    for statement in statements:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        statements = NOT_POSTGRESQL
    else:
        statements = tuple(f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS)
    for statement in statements:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("notifier", "0030_first_and_last_names")]

    safe_because = (
        "It reads and writes no row, so its lock lasts for a moment; and whatever an old process writes, which is a full "
        "name without parts, is taken."
    )

    operations = [migrations.RunPython(add_triggers, drop_triggers)]
