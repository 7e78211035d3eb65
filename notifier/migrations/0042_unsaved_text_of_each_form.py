from django.db import migrations, models


class Migration(migrations.Migration):
    safe_because = (
        "the constraints that come are looser than those that go, so no row of old processes is refused, and the table "
        "is small: 20 rows a user. An old process reads one of several rows, drops all with a save, as it always did, "
        "and can't autosave beside several until it is replaced; the page keeps what is typed meanwhile"
    )
    dependencies = [("notifier", "0041_short_name_of_topics")]

    operations = [
        migrations.AddField(
            model_name="unsavedtext",
            name="form",
            field=models.CharField(db_default="", default="", max_length=32),
        ),
        migrations.RemoveConstraint(model_name="unsavedtext", name="unsaved_text_of_a_notification"),
        migrations.RemoveConstraint(model_name="unsavedtext", name="unsaved_text_of_a_new_one"),
        migrations.AddConstraint(
            model_name="unsavedtext",
            constraint=models.UniqueConstraint(
                condition=models.Q(("notification__isnull", False)),
                fields=("user", "notification", "form"),
                name="unsaved_text_of_a_form",
            ),
        ),
        migrations.AddConstraint(
            model_name="unsavedtext",
            constraint=models.UniqueConstraint(
                condition=models.Q(("notification__isnull", True)),
                fields=("user", "form"),
                name="unsaved_text_of_a_new_form",
            ),
        ),
    ]
