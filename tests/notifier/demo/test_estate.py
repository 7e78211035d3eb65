from datetime import datetime

import pytest
from django.core.management import call_command

from notifier.demo import loading
from notifier.models import ClientField, ClientValues, SavedAudience
from notifier.saved_audiences import compiling

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_each_audience_of_the_demo_has_some_clients_and_leaves_some_out(now: datetime) -> None:
    loading.load(clients=1000, seed=1, now=now)

    counts = {
        audience.name: compiling.of_saved(audience, now=now).clients().count()
        for audience in SavedAudience.objects.all()
    }

    assert len(counts) == 5
    assert all(10 < number < 600 for number in counts.values()), counts
    assert 700 < ClientValues.objects.count() < 900


def test_loading_again_changes_nothing_of_what_staff_made_of_it(now: datetime) -> None:
    call_command("load_demo", clients=50, verbosity=0)
    ClientField.objects.filter(key="role").update(label="What they are")
    SavedAudience.objects.filter(name="Buyers in Bonn").update(description="Ours")

    call_command("load_demo", clients=60, verbosity=0)

    assert ClientField.objects.count() == SavedAudience.objects.count() == 5
    assert ClientField.objects.get(key="role").label == "What they are"
    assert SavedAudience.objects.get(name="Buyers in Bonn").description == "Ours"
