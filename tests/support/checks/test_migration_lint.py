"""What makes a migration safe while old processes run."""

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, migrations, models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from notifier.runtime.migration_operations import AddIndexOnline
from tests.support.checks import migration_lint


# --- Safe with old processes running ----------------------------------------------------------------------------------
def faults(*steps: Operation, atomic: bool = True, safe_because: str = "") -> list[str]:
    """What the lint says of a migration that follows the last one."""
    loader = MigrationLoader(None)
    (last,) = loader.graph.leaf_nodes("notifier")
    said = {"operations": list(steps), "atomic": atomic, "safe_because": safe_because}
    migration = type("Migration", (migrations.Migration,), said)("9999_next", "notifier")
    return migration_lint.faults(migration, loader.project_state(last))


def test_every_migration_is_safe() -> None:
    assert migration_lint.check(MigrationLoader(None)) == []


INDEX = models.Index(fields=["host"], name="process_host")
FLAG = models.BooleanField(default=False)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (migrations.RenameField("process", "host", "machine"), "ask for the old name"),
        (migrations.RenameModel("Process", "Program"), "ask for the old name"),
        (migrations.RemoveField("process", "host"), "may still use it"),
        (migrations.DeleteModel("Process"), "may still use it"),
        (migrations.AddField("process", "is_old", FLAG), "insert rows without it"),
        (migrations.AddField("process", "code", models.IntegerField(null=True, db_index=True)), "AddIndexOnline"),
        (migrations.AlterField("process", "host", models.CharField(max_length=20)), "add another column"),
        (migrations.AlterField("process", "host", models.CharField(max_length=255, null=True)), "add another column"),
        (migrations.AddIndex("process", INDEX), "AddIndexOnline"),
        (
            migrations.AddConstraint("process", models.CheckConstraint(condition=models.Q(pid__gt=0), name="p")),
            "refuses what old processes write",
        ),
        (migrations.RemoveIndex("process", "process_host"), "may still use it"),
        (migrations.RemoveConstraint("process", "p"), "may still use it"),
        (migrations.RenameIndex("process", "new", old_name="old"), "AddIndexOnline"),
        (migrations.AlterIndexTogether("process", {("host", "pid")}), "AddIndexOnline"),
        (migrations.AlterUniqueTogether("process", {("host", "pid")}), "refuses what old processes write"),
        (migrations.AlterOrderWithRespectTo("process", "host"), "insert rows without the column"),
        (migrations.AlterModelTable("process", "programs"), "ask for the old name"),
        (migrations.RunSQL("SELECT 1"), "what it locks"),
        (migrations.RunPython(migrations.RunPython.noop), "in batches"),
        (AddIndexConcurrently("process", INDEX), "no rule knows"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Operation) else "",
)
def test_what_old_processes_would_stumble_over_is_named(operation: Operation, said: str) -> None:
    (fault,) = faults(operation)

    assert fault.startswith("notifier/9999_next: ")
    assert said in fault
    assert faults(operation, safe_because="no release that was published ever used it") == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("process", "is_old", models.BooleanField(db_default=False)),
        migrations.AddField("process", "release", models.CharField(max_length=20, null=True)),
        migrations.AlterField("process", "host", models.CharField("the machine", max_length=255)),
        migrations.AlterModelOptions("process", {"verbose_name": "running process"}),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_old_processes_do_not_notice_passes(operation: Operation) -> None:
    assert faults(operation) == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("process", "host"),
        migrations.AddIndex("process", INDEX),
        migrations.AlterUniqueTogether("process", {("host", "pid")}),
        migrations.AlterField("process", "host", models.CharField(max_length=20)),
        migrations.RunPython(migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel("Process")]),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_is_done_to_the_database_alone_is_named_too(operation: Operation) -> None:
    assert len(faults(migrations.SeparateDatabaseAndState(database_operations=[operation]))) == 1
    assert faults(migrations.SeparateDatabaseAndState(state_operations=[operation])) == []


def test_every_operation_of_django_has_a_rule() -> None:
    kinds = {getattr(operations, name) for name in operations.__all__}

    assert len(kinds) > 20
    assert kinds - migration_lint.SAFE - migration_lint.LOOKED_INTO == set(migration_lint.ALWAYS)


def test_what_is_derived_from_a_safe_operation_is_not_safe_by_that() -> None:
    class Splits(migrations.SeparateDatabaseAndState):
        pass

    (fault,) = faults(Splits())

    assert "no rule knows" in fault


def test_a_step_that_is_one_transaction_by_itself_is_named() -> None:
    (fault,) = faults(migrations.RunPython(migrations.RunPython.noop, atomic=True), atomic=False)

    assert "in batches" in fault


def test_a_table_that_is_made_anew_is_removed_first() -> None:
    anew = migrations.CreateModel("Process", [("id", models.BigAutoField(primary_key=True))])

    (fault,) = faults(migrations.DeleteModel("Process"), anew)

    assert "may still use it" in fault


def test_what_is_new_may_have_indexes_of_its_own() -> None:
    thing = migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))])
    index = migrations.AddIndex("thing", models.Index(fields=["id"], name="thing_id"))

    assert faults(thing, index) == []


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
def test_an_index_is_added_online_and_taken_away_again() -> None:
    loader = MigrationLoader(None)
    before = loader.project_state(loader.graph.leaf_nodes("notifier")[0])
    operation = AddIndexOnline("process", INDEX)
    after = before.clone()
    operation.state_forwards("notifier", after)

    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("notifier", editor, before, after)
    assert INDEX.name in _indexes()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("notifier", editor, after, before)
    assert INDEX.name not in _indexes()
    assert faults(operation, atomic=False) == []


def _indexes() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "notifier_process"))
