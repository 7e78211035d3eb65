"""The pages of users and groups."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.staff.users import what_it_allows


def test_permissions_are_named_in_the_words_of_the_pages(admin: Browser) -> None:
    page = admin.get(reverse("admin:auth_group_add")).content.decode()

    for words in (
        "Can view message",
        "Can export messages, with addresses",
        "Can delete failed log-in",
        "Can change SMS reply",
    ):
        assert words in page
    assert not [words for words in re.findall("Can [^<]*", page) if "deliver" in words]


@pytest.mark.django_db
def test_a_permission_of_a_model_that_is_gone_keeps_its_name() -> None:
    permission = Permission.objects.select_related("content_type")[0]
    permission.content_type.model = "gone"
    permission.name = "Can do what is no more"

    assert what_it_allows(permission) == "Can do what is no more"
