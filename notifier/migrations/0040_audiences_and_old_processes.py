# ruff: noqa: S608 - what is put into SQL as text stands in this file
"""What a broadcast to an audience is expanded to is for those to say who know of audiences: the database holds it.

A process of the release before knows of none. Its dispatcher would send such a broadcast to everybody on its topic, and
a follow-up that its pages make of one would go to everybody else. Both are refused: that dispatcher shows a fault and
leaves the broadcast to others. Whoever knows of audiences writes in `audience_cursor` how far it asked for this one.
Triggers, because a constraint of the table sees no other row, and not what a row was before.
"""

from django.db import migrations, models

EXPANDED = "broadcast_audience: only a process that knows of audiences can expand this broadcast"
FOLLOWED = "broadcast_audience: a follow-up goes to the audience of the broadcast that it follows"

POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION notifier_broadcast_audience() RETURNS trigger LANGUAGE plpgsql AS $audience$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION '{EXPANDED}' USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (SELECT 1 FROM notifier_broadcast b WHERE b.id = NEW.follows_id AND b.audience_of IS NOT NULL) THEN
            RAISE EXCEPTION '{FOLLOWED}' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END
    $audience$
    """,
    # Asked before the function is called: for nearly every row it says no.
    """
    CREATE OR REPLACE TRIGGER broadcast_expanded BEFORE UPDATE OF cursor ON notifier_broadcast FOR EACH ROW
    WHEN (NEW.audience_of IS NOT NULL AND NEW.cursor <> OLD.cursor AND NEW.audience_cursor IS DISTINCT FROM NEW.cursor)
    EXECUTE FUNCTION notifier_broadcast_audience()
    """,
    """
    CREATE OR REPLACE TRIGGER broadcast_followed BEFORE INSERT ON notifier_broadcast FOR EACH ROW
    WHEN (NEW.follows_id IS NOT NULL AND NEW.audience_of IS NULL) EXECUTE FUNCTION notifier_broadcast_audience()
    """,
)
NOT_POSTGRESQL = (
    "DROP TRIGGER IF EXISTS broadcast_followed ON notifier_broadcast",
    "DROP TRIGGER IF EXISTS broadcast_expanded ON notifier_broadcast",
    "DROP FUNCTION IF EXISTS notifier_broadcast_audience()",
)
TRIGGERS = {
    "broadcast_expanded": (
        "BEFORE UPDATE OF cursor ON notifier_broadcast WHEN NEW.audience_of IS NOT NULL AND NEW.cursor <> OLD.cursor "
        f"AND NEW.audience_cursor IS NOT NEW.cursor BEGIN SELECT RAISE(ABORT, '{EXPANDED}'); END"
    ),
    "broadcast_followed": (
        "BEFORE INSERT ON notifier_broadcast WHEN NEW.follows_id IS NOT NULL AND NEW.audience_of IS NULL AND "
        "EXISTS (SELECT 1 FROM notifier_broadcast b WHERE b.id = NEW.follows_id AND b.audience_of IS NOT NULL) "
        f"BEGIN SELECT RAISE(ABORT, '{FOLLOWED}'); END"
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
    dependencies = [("notifier", "0039_tags_former_names")]

    safe_because = (
        "It reads and writes no row, so its lock lasts for a moment; and it refuses nothing of old processes but what "
        "would go to clients that nobody chose."
    )

    operations = [
        migrations.AddField(
            model_name="broadcast", name="audience_cursor", field=models.BigIntegerField(editable=False, null=True)
        ),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
