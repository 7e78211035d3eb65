"""Topics: which of them stay."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.models import Topic
from notifier.saved_audiences.document import Line
from tests.support.factories import a_saved_audience, a_topic
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)


def test_a_topic_that_an_audience_names_is_not_deleted(admin: Browser) -> None:
    named, unused = a_topic(slug="named", name="Named"), a_topic(slug="unused", name="Unused")
    a_saved_audience(Line("consent", "email", named.pk), name="Readers")

    said = admin.get(reverse("admin:notifier_topic_delete", args=[named.pk]), follow=True).content.decode()
    agree_to(admin, reverse("admin:notifier_topic_delete", args=[unused.pk]))

    assert "Named can’t be deleted, because it is used by the audience “Readers”." in said
    assert set(Topic.objects.filter(slug__in=["named", "unused"])) == {named}
