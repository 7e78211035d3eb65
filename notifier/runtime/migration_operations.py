"""Migration operations that are safe while processes of the release before go on working."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexOnline(migrations.AddIndex):
    """Builds an index without stopping writes: CONCURRENTLY on PostgreSQL, plainly on SQLite, whose writers wait.

    Its migration needs `atomic = False`. If PostgreSQL is interrupted it leaves an index that is marked invalid: drop
    that, and migrate again.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._operation(schema_editor).database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._operation(schema_editor).database_backwards(app_label, schema_editor, from_state, to_state)

    def _operation(self, schema_editor: BaseDatabaseSchemaEditor) -> Any:
        is_postgres = schema_editor.connection.vendor == "postgresql"
        return (AddIndexConcurrently if is_postgres else migrations.AddIndex)(self.model_name, self.index)
