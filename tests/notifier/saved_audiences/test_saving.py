import pytest
from django.core.exceptions import ValidationError

from notifier.fields import definitions, tags
from notifier.fields.definitions import FieldInUse
from notifier.models import SavedAudience
from notifier.saved_audiences import saving
from notifier.saved_audiences.document import BadDocument, BrokenAudience, Document, Line
from tests.support.factories import a_field, a_saved_audience, a_tag

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_a_field_and_a_tag_that_an_audience_names_stay() -> None:
    field, tag = a_field(kind="YES_NO"), a_tag("VIP")
    a_saved_audience(Line("field", "known", field.pk), Line("tag", "has", tag.pk), name="Berlin")

    with pytest.raises(FieldInUse, match="the audience “Berlin”"):
        definitions.delete(field_id=field.pk)
    with pytest.raises(tags.TagInUse, match="the audience “Berlin”"):
        tags.delete(tag_id=tag.pk)


def test_no_two_have_the_same_name_however_it_is_capitalised() -> None:
    line = Line("time_zone", "known")
    a_saved_audience(line, name="Buyers")

    with pytest.raises(ValidationError, match="audience “Buyers” already"):
        saving.create(name="BUYERS", description="", document=Document((line,)), by=None)


def test_what_nobody_can_read_is_not_saved() -> None:
    with pytest.raises(BrokenAudience, match="deleted"):
        a_saved_audience(Line("tag", "has", 999))
    with pytest.raises(BadDocument, match="at least one"):
        a_saved_audience()

    assert not SavedAudience.objects.exists()
