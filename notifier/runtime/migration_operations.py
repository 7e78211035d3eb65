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


class AddColumnInPlace(migrations.AddField):
    """Adds a column that may not be NULL, and has a `db_default`, to a table that stays as it is.

    SQLite can do that since long ago, but Django makes the table anew for it: that copies every row while nobody
    writes, and takes the triggers with it that no model knows.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            BaseDatabaseSchemaEditor.add_field(schema_editor, model, model._meta.get_field(self.name))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            field = model._meta.get_field(self.name)
            schema_editor.execute(f"ALTER TABLE {model._meta.db_table} DROP COLUMN {field.column}")
