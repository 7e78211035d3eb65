"""`python -m tests.support.checks.migration_lint`: whether each migration is safe while old processes go on working.

Processes of two releases run at once during every upgrade. So a migration may add what the old ones do not know, and
take away only what none of them uses any more (CONTRIBUTING, "Migrations"). What a rule here forbids can still be
right: then the migration says why, in its attribute `safe_because`.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

APP = "notifier"
#: They make an empty database: no process is older.
FIRST = {"0001_initial", "0002_name_search", "0003_first_rows"}
#: A reason is a sentence.
SHORTEST_REASON = 20
RENAMED = "old processes ask for the old name; add the new one, copy in batches, remove the old one a release later"
REMOVED = "old processes may still use it; say in `safe_because` since which release none does"
ALWAYS: dict[type[Operation], str] = {
    migrations.RenameField: RENAMED,
    migrations.RenameModel: RENAMED,
    migrations.AlterModelTable: RENAMED,
    migrations.RemoveField: REMOVED,
    migrations.DeleteModel: REMOVED,
    migrations.AddIndex: "it stops writes while it is built; use notifier.runtime.migration_operations.AddIndexOnline",
    migrations.AddConstraint: "it stops writes while every row is checked, and refuses what old processes write",
    migrations.RunSQL: "nobody can tell what it locks; say in `safe_because` why it is safe",
}


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
    found = []
    made = {op.name.lower() for op in migration.operations if isinstance(op, migrations.CreateModel)}
    for operation in migration.operations:
        if getattr(operation, "model_name", "").lower() not in made:
            found += [
                f"{APP}/{migration.name}: {operation.describe()}: {fault}"
                for fault in _faults(operation, migration, state)
            ]
        operation.state_forwards(migration.app_label, state)
    return found


def _faults(operation: Operation, migration: migrations.Migration, state: ProjectState) -> Iterator[str]:
    for kind, fault in ALWAYS.items():
        # By the exact type: what is derived from them is a safe way of doing the same.
        if type(operation) is kind:
            yield fault
    if isinstance(operation, migrations.AddField):
        yield from _of_new_field(operation)
    if isinstance(operation, migrations.AlterField) and _alters_column(operation, migration, state):
        yield "it may rewrite the table, or refuse what old processes write; add another column instead"
    if isinstance(operation, migrations.RunPython) and migration.atomic:
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
