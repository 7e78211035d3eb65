from django.db import migrations, models

from notifier.messages.lines import validate_one_line
from notifier.runtime.migration_operations import AddColumnInPlace


def _part(**options: object) -> "models.CharField[str, str]":
    return models.CharField(
        blank=True, db_default="", default="", max_length=200, validators=[validate_one_line], **options
    )


class Migration(migrations.Migration):
    dependencies = [("notifier", "0029_rights_to_fields_and_tags")]

    operations = [
        AddColumnInPlace(model, field, _part())
        for model in ("client", "historicalclient")
        for field in ("first_name", "last_name")
    ]
