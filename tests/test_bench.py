"""What `make bench` measures, so far as it can be seen without measuring."""

import pytest
from django.contrib import admin
from django.test import Client as Browser
from django.urls import resolve

from bench.addresses import pages
from tests.notifier.admin.house import a_house
from tests.support.factories import a_user


@pytest.mark.django_db
def test_every_page_is_among_those_that_are_measured() -> None:
    """A page whose address takes something that the bench does not know raises `LookupError`."""
    a_house()
    browser = Browser(headers={"host": "localhost"})
    browser.force_login(a_user(is_superuser=True))

    found = {resolve(page.url.partition("?")[0]).url_name for page in pages(browser)}

    lists = {f"{model._meta.app_label}_{model._meta.model_name}_changelist" for model in admin.site._registry}
    assert lists - found == set()
    assert {"notifier_notification_broadcast", "notifier_client_why", "notifier_suppression_lift"} <= found
