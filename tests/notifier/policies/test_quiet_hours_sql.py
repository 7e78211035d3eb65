"""Quiet hours in SQL never keep anybody back for longer than their claim would."""

from datetime import UTC, datetime, time, timedelta

import phonenumbers
import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.models import Channel, Client, Preference
from notifier.policies import phone_zones, quiet_hours, quiet_hours_sql
from notifier.policies.quiet_hours import Hours
from tests.support.factories import a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

MINUTE = timedelta(minutes=1)
NIGHT: Hours = (time(21), time(8))
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(lambda number: datetime(2025, 1, 1, tzinfo=UTC) + number * MINUTE)
WALLS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
HOURS = st.one_of(st.just(NIGHT), st.tuples(WALLS, WALLS).filter(lambda pair: pair[0] != pair[1]))


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Mostly such as a country has; some that none has."""
    if draw(st.integers(0, 9)) == 0:
        return f"+{draw(st.integers(10**7, 10**14))}"
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    # Half of them where it matters.
    region = draw(st.sampled_from([region, "US", "CA", "MX", "BR", "RU", "KZ", "AU", "GB"]))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]))
    number = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert number
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    kept = draw(st.integers(len(str(number.country_code)) + 1, len(written)))
    rest = draw(st.integers(0, 10 ** (len(written) - kept) - 1))
    return written[:kept] + str(rest).zfill(len(written) - kept) * (kept < len(written))


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(phones=st.lists(numbers(), min_size=20, max_size=60, unique=True), quiet=HOURS, now=MOMENTS)
def test_a_row_is_never_born_waiting_for_longer_than_its_claim_would_have_it_wait(
    phones: list[str], quiet: Hours, now: datetime, settings: Settings
) -> None:
    settings.QUIET_HOURS = {"email": None, "sms": quiet}
    settings.CLIENT_TIME_ZONE = "Europe/London"

    born = opens_in_sql(phones, now)

    for phone in phones:
        claimed = quiet_hours.opens_at(zones=quiet_hours.zones_of(time_zone="", phone=phone), hours=quiet, now=now)
        assert born[phone] <= claimed, phone
        if is_certain(phone):
            assert born[phone] == claimed, phone


def opens_in_sql(phones: list[str], now: datetime) -> dict[str, datetime]:
    opens_at = quiet_hours_sql.moment(channel=Channel.SMS, client="client", now=now)
    if opens_at is None:
        return dict.fromkeys(phones, now)
    Client.objects.all().delete()
    topic = a_topic()
    clients = Client.objects.bulk_create([Client(name="Ann", email=f"{n}@example.org") for n in range(len(phones))])
    Preference.objects.bulk_create([Preference(client=client, topic=topic, sms=True) for client in clients])
    with connection.cursor() as cursor:
        # Past the field, which would write some of them in another way.
        pairs = [(phone, client.pk) for phone, client in zip(phones, clients, strict=True)]
        cursor.executemany(f"UPDATE {Client._meta.db_table} SET phone = %s WHERE id = %s", pairs)
        rows = Preference.objects.annotate(opens_at=opens_at).values_list("client_id", "opens_at")
    opens = dict(rows)
    return {phone: opens[pk] or now for phone, pk in pairs}


def is_certain(phone: str) -> bool:
    """Of an area code that is known, or of a calling code that is one country's."""
    if phone[: phone_zones.AREA_LENGTH] in phone_zones.areas():
        return True
    code = next((code for digits in (1, 2, 3) if (code := int(phone[1 : 1 + digits])) in CODES), 0)
    return code not in phone_zones.AREA_CODES and len(CODES.get(code, ())) == 1


CODES = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
