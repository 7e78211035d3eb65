"""A phone number that somebody types into a page: a refusal names the country that is most likely meant."""

from django.conf import settings

from notifier.addresses import phones, regions
from notifier.addresses.phones import Phone


def read(text: str, *, likely: str = "") -> Phone:
    """The number. Raises ValueError as `phones.read`, with an example of the country `likely` where it is known."""
    return phones.read(text, region=settings.PHONE_DEFAULT_REGION, likely=likely or likely_country())


def why_not(text: str) -> str:
    """What is wrong with it, in a sentence; empty where nothing is."""
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return ""


def likely_country() -> str:
    """Of a number without a country code, where no country is set: the one in whose time zone clients are."""
    return regions.of_zone(settings.CLIENT_TIME_ZONE)
