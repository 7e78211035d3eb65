import pytest

from notifier.messages import placeholders
from notifier.models import Client
from notifier.policies import client_values
from tests.support.factories import a_client


def test_every_placeholder_but_the_topic_has_a_source() -> None:
    assert client_values.SOURCES.keys() == placeholders.PLACEHOLDERS.keys() - {"topic"}


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize("key", client_values.MISSABLE)
def test_what_the_database_counts_as_missing_is_what_a_claim_has_no_value_for(key: str) -> None:
    for first_name, last_name in (("Ann", "Lee"), ("Teller", ""), ("", "Lee"), ("", "")):
        a_client(name="Cher", first_name=first_name, last_name=last_name)

    lacking = Client.objects.filter(client_values.missing([key]))
    having = Client.objects.filter(*client_values.present([key]))

    missing = {one for one in Client.objects.all() if not client_values.of_client(one, topic="")[key]}
    assert set(lacking) == missing
    assert set(having) == set(Client.objects.all()) - missing
    assert len(missing) == 2
