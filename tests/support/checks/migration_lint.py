"""`python -m tests.support.checks.migration_lint`: whether each migration is safe while old processes go on working.

Processes of two releases run at once during every upgrade. So a migration may add what the old ones do not know, and
take away only what none of them uses any more (CONTRIBUTING, "Migrations"). What a rule here forbids can still be
right: then the migration says why, in its attribute `safe_because`.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

from notifier.runtime.migration_operations import AddColumnInPlace, AddIndexOnline

APP = "notifier"
#: They make an empty database: no process is older.
FIRST = {"0001_initial", "0002_name_search", "0003_first_rows"}
#: A reason is a sentence.
SHORTEST_REASON = 20
RENAMED = "old processes ask for the old name; add the new one, copy in batches, remove the old one a release later"
REMOVED = "old processes may still use it; say in `safe_because` since which release none does"
STOPS_WRITES = "it stops writes while it is built; use notifier.runtime.migration_operations.AddIndexOnline"
ALWAYS: dict[type[Operation], str] = {
    migrations.RenameField: RENAMED,
    migrations.RenameModel: RENAMED,
    migrations.AlterModelTable: RENAMED,
    migrations.RemoveField: REMOVED,
    migrations.DeleteModel: REMOVED,
    migrations.RemoveIndex: REMOVED,
    migrations.RemoveConstraint: REMOVED,
    migrations.AddIndex: STOPS_WRITES,
    # SQLite drops it, and builds it under its new name.
    migrations.RenameIndex: STOPS_WRITES,
    migrations.AlterIndexTogether: STOPS_WRITES,
    migrations.AlterUniqueTogether: "it stops writes while every row is checked, and refuses what old processes write",
    migrations.AddConstraint: "it stops writes while every row is checked, and refuses what old processes write",
    migrations.AlterOrderWithRespectTo: "old processes insert rows without the column that it adds",
    migrations.RunSQL: "nobody can tell what it locks; say in `safe_because` why it is safe",
}
SAFE: set[type[Operation]] = {
    migrations.CreateModel,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.AlterModelTableComment,
    # It changes how Django words a mistake, and nothing in the database.
    migrations.AlterConstraint,
    AddConstraintNotValid,
    ValidateConstraint,
    AddIndexOnline,
}
#: Whether these are safe depends on what they do.
LOOKED_INTO: set[type[Operation]] = {
    migrations.AddField,
    AddColumnInPlace,
    migrations.AlterField,
    migrations.RunPython,
    migrations.SeparateDatabaseAndState,
}
UNKNOWN = "no rule knows this kind of operation; say in `safe_because` why it is safe"


def check(loader: MigrationLoader) -> list[str]:
    """What is wrong with this project's migrations, a line each; empty when all are safe."""
    found = []
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app == APP and name not in FIRST:
            found += faults(migration, loader.project_state((app, name), at_end=False))
    return found


def faults(migration: migrations.Migration, state: ProjectState) -> list[str]:
    """What is wrong with one, a line each. `state` is that before it, and is changed."""
    reason = getattr(migration, "safe_because", "")
    if len(reason) >= SHORTEST_REASON:
        return []
    return [
        f"{APP}/{migration.name}: {operation.describe()}: {fault}"
        for operation, fault in _of_each(migration.operations, migration, state, made=set())
    ]


def _of_each(
    operations: Iterable[Operation], migration: migrations.Migration, state: ProjectState, *, made: set[str]
) -> Iterator[tuple[Operation, str]]:
    """Each operation that is not safe, and why. `made` are the new tables so far, which no old process knows."""
    for operation in operations:
        if type(operation) is migrations.SeparateDatabaseAndState:
            # The others of its operations change nothing but what Django believes.
            yield from _of_each(operation.database_operations, migration, state.clone(), made=made)
        elif _model_of(operation) not in made:
            yield from ((operation, fault) for fault in _faults(operation, migration, state))
        if isinstance(operation, migrations.CreateModel):
            made.add(_model_of(operation))
        operation.state_forwards(migration.app_label, state)


def _model_of(operation: Operation) -> str:
    """What is done to a field, an index or a constraint names the model; what is done to a model has its name."""
    return str(getattr(operation, "model_name", "") or getattr(operation, "name", "")).lower()


def _faults(operation: Operation, migration: migrations.Migration, state: ProjectState) -> Iterator[str]:
    # By the exact type: what is derived from one of them may be a safe way of doing the same, or a dangerous one.
    if type(operation) not in SAFE | LOOKED_INTO:
        yield ALWAYS.get(type(operation), UNKNOWN)
    if isinstance(operation, migrations.AddField):
        yield from _of_new_field(operation)
    if isinstance(operation, migrations.AlterField) and _alters_column(operation, migration, state):
        yield "it may rewrite the table, or refuse what old processes write; add another column instead"
    if isinstance(operation, migrations.RunPython) and (migration.atomic or operation.atomic):
        yield "it holds what it locks until it ends; write in batches, with `atomic = False`"


def _of_new_field(operation: migrations.AddField) -> Iterator[str]:
    field = operation.field
    if not (field.many_to_many or field.null or field.db_default is not NOT_PROVIDED):
        yield "old processes insert rows without it; give it `null=True` or a `db_default`"
    if field.unique or getattr(field, "db_index", False):
        yield "its index stops writes while it is built; add the index with AddIndexOnline"


def _alters_column(operation: migrations.AlterField, migration: migrations.Migration, state: ProjectState) -> bool:
    before = state.apps.get_model(migration.app_label, operation.model_name)
    after = state.clone()
    operation.state_forwards(migration.app_label, after)
    changed = after.apps.get_model(migration.app_label, operation.model_name)
    old, new = (model._meta.get_field(operation.name) for model in (before, changed))
    editor: Any = connection.schema_editor(collect_sql=True, atomic=False)
    return bool(editor._field_should_be_altered(old, new))


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    found = check(MigrationLoader(None))
    print("\n".join(found) or "Migrations: all are safe with old processes running.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
