"""The list of saved audiences."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from notifier.fields import definitions
from notifier.models import SavedAudience
from notifier.runtime import clock
from notifier.saved_audiences.document import Line
from tests.support.factories import a_field, a_saved_audience, a_tag

pytestmark = pytest.mark.both_engines(only_full=True)

LIST = reverse("admin:notifier_savedaudience_changelist")


def broken(page: Any) -> list[str]:
    return [one.name for one in page.context["cl"].result_list if one.is_broken]


def test_the_list_tells_which_nobody_can_use(admin: Browser, settings: LazySettings) -> None:
    settings.CLIENT_LANGUAGES = ["en", "de"]
    tag = a_tag()
    a_saved_audience(Line("tag", "has", tag.pk), name="By tag")
    a_saved_audience(Line("language", "one_of", 0, ("de",)), name="Germans")
    a_saved_audience(Line("time_zone", "known"), name="Later release")
    a_saved_audience(Line("time_zone", "known"), name="Fine")
    assert broken(admin.get(LIST)) == []

    settings.CLIENT_LANGUAGES = ["en"]
    SavedAudience.objects.filter(name="Later release").update(document={"version": 2})
    tag.delete()

    page = admin.get(LIST)
    assert broken(page) == ["By tag", "Germans", "Later release"]
    assert page.content.decode().count("Can’t be used") == 3


def test_the_list_tells_which_name_what_is_retired(admin: Browser) -> None:
    town, tag = a_field(kind="TEXT", label="Town"), a_tag()
    a_saved_audience(Line("field", "known", town.pk), name="By town")
    a_saved_audience(Line("tag", "has", tag.pk), name="By tag")
    assert "Names what is retired" not in admin.get(LIST).content.decode()

    definitions.retire(field_id=town.pk, now=clock.now())

    page = admin.get(LIST)
    assert [one.name for one in page.context["cl"].result_list if one.names_retired] == ["By town"]
    assert page.content.decode().count("Names what is retired") == 1


def test_more_audiences_take_no_more_queries(
    admin: Browser, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    tags = [a_tag() for _ in range(12)]
    a_saved_audience(Line("tag", "has", tags[0].pk))
    with django_assert_max_num_queries(100) as few:
        admin.get(LIST)
    for tag in tags[1:]:
        a_saved_audience(Line("tag", "has", tag.pk))

    with django_assert_max_num_queries(len(few)):
        admin.get(LIST)
