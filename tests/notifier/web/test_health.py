import pytest
from django import db
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def test_a_process_that_reaches_its_database_is_healthy() -> None:
    answer = Client().get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_without_its_database_it_is_not() -> None:
    def away(*_: object) -> None:
        raise db.OperationalError("connection refused")

    with connection.execute_wrapper(away):
        answer = Client().get("/healthz")

    assert (answer.status_code, answer.content) == (503, b"database away\n")


def test_it_is_not_sent_to_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get("/healthz").status_code == 200
    assert Client().get("/admin/").status_code == 301
