from datetime import datetime

import pytest
from django.db import transaction

from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin, wanted
from notifier.models import Client, ValueChange
from tests.support.factories import a_client, a_field, a_tag

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


@pytest.mark.parametrize(("keeps_blank", "left"), [(True, {"City": "Bonn", "Visits": "3"}), (False, {"Visits": "3"})])
def test_a_blank_leaves_what_there_is_or_clears_it(keeps_blank: bool, left: dict[str, str], now: datetime) -> None:
    city, visits = a_field(label="City"), a_field(label="Visits", kind="WHOLE")
    client = a_client()
    (by_city,) = definitions.of(city)
    values.set_values(client_id=client.pk, values={by_city: "Bonn"}, origin=ChangeOrigin(), now=now)

    with transaction.atomic(), wanted([city, visits], keeps_blank=keeps_blank) as table:
        table.add_values([(client.pk, {visits.pk: 3})])
        assert table.apply(origin=ChangeOrigin(reason="Import of a.csv"), now=now) == 1

    found = values.of_client(client.pk, definitions.every())
    shown = {one.label: one.type.show(found[one.id]) for one in definitions.every() if one.id in found}
    assert shown == left
    changed = ValueChange.objects.latest("pk").changes["fields"]
    assert changed == {str(visits.pk): [None, 3]} | ({} if keeps_blank else {str(city.pk): ["Bonn", None]})


def test_tables_of_the_caller_s_fill_it_with_one_statement(now: datetime) -> None:
    """As an import does; a % in its SQL is a %, unless there are parameters."""
    city, odd, vip = a_field(), a_field(kind="WHOLE"), a_tag("VIP")
    ids = [a_client().pk for _ in range(3)]
    table_of_clients = Client._meta.db_table

    with transaction.atomic(), wanted([city, odd]) as table:
        assert table.columns == ["t1", "f1", "n1"]
        table.add_values_from(f"SELECT id, 'Köln', 'köln', id % 2 FROM {table_of_clients}")
        table.add_tags_from(f"SELECT id, %s, true FROM {table_of_clients} WHERE id = %s", [vip.pk, ids[0]])
        assert table.apply(origin=ChangeOrigin(), now=now) == 3

    found = dict(values.of_clients(ids, definitions.every()))
    assert found == {pk: {city.pk: "Köln", odd.pk: pk % 2} for pk in ids}
    assert [tags.of_client(pk) for pk in ids] == [[vip], [], []]
