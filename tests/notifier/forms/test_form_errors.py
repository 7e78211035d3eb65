from typing import Any, cast

from django import forms
from django.contrib.admin.helpers import AdminForm

from notifier.forms import form_errors
from notifier.forms.form_errors import Mistake


class Person(forms.Form):
    name = forms.CharField()
    age = forms.IntegerField(required=False)
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    seen = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> None:
        self.add_error(None, "Nobody is like that.")


def told(mistakes: Any) -> list[tuple[str, str]]:
    return [(mistake.text, mistake.field_id) for mistake in mistakes]


def test_each_mistake_leads_to_its_field_and_those_of_the_whole_form_come_first() -> None:
    form = Person({"age": "old"})

    assert told(form_errors.of_form(form)) == [
        ("Nobody is like that.", ""),
        ("Name: This field is required.", "id_name"),
        ("Age: Enter a whole number.", "id_age"),
        ("Kind: This field is required.", "id_kind_0"),
        ("This field is required.", ""),
    ]


def test_a_form_that_was_only_opened_has_none() -> None:
    assert told(form_errors.of_form(Person())) == []


def test_a_message_that_names_its_field_is_not_introduced_by_it() -> None:
    form = Person({"name": "x"})
    form.add_error("name", "Give another name.")

    assert ("Give another name.", "id_name") in told(form_errors.of_form(form))


def test_a_rows_page_tells_them_in_the_order_in_which_it_shows_them() -> None:
    formset = forms.formset_factory(Person)({"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "0", "form-0-age": "old"})
    formset.is_valid()
    fieldsets: Any = [(None, {"fields": ("age", "kind")})]
    adminform = AdminForm(cast(Any, Person({})), fieldsets, {})
    inline = type("Inline", (), {"formset": formset})

    assert told(form_errors.of_change_form(adminform, [inline])) == [
        ("Nobody is like that.", ""),
        ("Kind: This field is required.", "id_kind_0"),
        ("Nobody is like that.", "form-group"),
        ("Name: This field is required.", "id_form-0-name"),
        ("Age: Enter a whole number.", "id_form-0-age"),
        ("Kind: This field is required.", "id_form-0-kind_0"),
        ("This field is required.", "form-group"),
        ("Name: This field is required.", "id_name"),
        ("This field is required.", ""),
    ]


def test_the_first_wrong_field_that_can_take_it_gets_the_focus_and_no_other() -> None:
    form = Person({"name": "x", "age": "old"})

    assert form_errors.give_focus(list(form_errors.of_form(form)))

    assert "autofocus" in str(form["age"])
    assert "autofocus" not in str(form["name"])
    # The widgets of other requests are others.
    assert "autofocus" not in str(Person()["age"])


def test_where_no_field_is_wrong_none_gets_the_focus() -> None:
    assert not form_errors.give_focus([Mistake("Nobody is like that.")])
