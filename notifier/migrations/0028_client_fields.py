import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import notifier.messages.lines

_KEY = "For placeholders and files, such as member_since. It can’t be changed once the field is used."
_DESCRIPTION = "What you keep this for, in words for clients. Shown in the file of all data held about a client."
_NUMBERS = [f"n{number}" for number in range(1, 61)]
_TEXTS = [f"t{number}" for number in range(1, 31)]
_COLUMNS = [(name, models.BigIntegerField(null=True)) for name in _NUMBERS]
for _name in _TEXTS:
    _COLUMNS += [(name, models.CharField(max_length=500, null=True)) for name in (_name, f"f{_name[1:]}")]
_TEXTS_ARE_NOT_BLANK = models.Q(*(models.Q((name, ""), _negated=True) for name in _TEXTS))
_COLUMN_OF_ITS_KIND = models.Q(
    models.Q(("column__startswith", "t"), ("kind", "TEXT")),
    models.Q(
        ("column__startswith", "n"), ("kind__in", ["CHOICE", "CHOICES", "DATE", "DECIMAL", "MONEY", "WHOLE", "YES_NO"])
    ),
    _connector="OR",
)


class Migration(migrations.Migration):
    # Without constraints in the database on clients and users: old processes delete those, and know nothing of these
    # tables.
    dependencies = [
        ("notifier", "0027_one_word_for_one_thing"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60, validators=[notifier.messages.lines.validate_name])),
                ("folded", models.CharField(editable=False, max_length=250, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
        ),
        migrations.CreateModel(
            name="ClientField",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(
                        help_text=_KEY,
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z][a-z0-9_]*$",
                                "Use small letters a to z, digits and underscores, and begin with a letter.",
                            )
                        ],
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        help_text="Shown to staff, and above the column in files.",
                        max_length=80,
                        validators=[notifier.messages.lines.validate_name],
                    ),
                ),
                ("folded", models.CharField(editable=False, max_length=250, unique=True)),
                (
                    "help",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Shown below the field on a client’s page: what belongs in it.",
                        max_length=200,
                        validators=[notifier.messages.lines.validate_one_line],
                        verbose_name="help text",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("TEXT", "Text"),
                            ("WHOLE", "Whole number"),
                            ("DECIMAL", "Decimal number"),
                            ("MONEY", "Amount of money"),
                            ("DATE", "Date"),
                            ("YES_NO", "Yes or no"),
                            ("CHOICE", "One of a list"),
                            ("CHOICES", "Several of a list"),
                        ],
                        max_length=10,
                        verbose_name="type",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="All amounts in this field are in this currency.",
                        max_length=3,
                    ),
                ),
                (
                    "description",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text=_DESCRIPTION,
                        max_length=300,
                        validators=[notifier.messages.lines.validate_one_line],
                        verbose_name="description for clients",
                    ),
                ),
                ("position", models.PositiveIntegerField(default=0, verbose_name="order")),
                ("column", models.CharField(editable=False, max_length=4, unique=True)),
                ("retired_at", models.DateTimeField(editable=False, null=True, verbose_name="retired")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "client field",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[a-z][a-z0-9_]*$")), name="clientfield_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "MONEY"), models.Q(("currency", ""), _negated=True)),
                            models.Q(models.Q(("kind", "MONEY"), _negated=True), ("currency", "")),
                            _connector="OR",
                        ),
                        name="clientfield_currency",
                        violation_error_message="Choose the currency of an amount of money.",
                    ),
                    models.CheckConstraint(
                        condition=_COLUMN_OF_ITS_KIND,
                        name="clientfield_column",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClientValues",
            fields=[
                *_COLUMNS,
                (
                    "client",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="field_values",
                        serialize=False,
                        to="notifier.client",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=_TEXTS_ARE_NOT_BLANK,
                        name="clientvalues_texts",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ValueChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, default="", max_length=100)),
                ("changes", models.JSONField()),
                (
                    "by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="value_changes",
                        to="notifier.client",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="FieldOption",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField(editable=False)),
                ("label", models.CharField(max_length=80, validators=[notifier.messages.lines.validate_name])),
                ("folded", models.CharField(editable=False, max_length=250)),
                ("position", models.PositiveIntegerField(default=0, verbose_name="order")),
                ("retired_at", models.DateTimeField(editable=False, null=True, verbose_name="retired")),
                (
                    "field",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="options",
                        to="notifier.clientfield",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("field", "number"), name="fieldoption_field_number"),
                    models.UniqueConstraint(fields=("field", "folded"), name="fieldoption_field_label"),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1), ("number__lte", 200)), name="fieldoption_number"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClientTag",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "client_id", "tag_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="client_tags",
                        to="notifier.client",
                    ),
                ),
                (
                    "tag",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="client_tags",
                        to="notifier.tag",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["tag", "client"], name="clienttag_tag")],
            },
        ),
    ]
