"""A phone number that somebody types into a page: a refusal, and the note below the field, name the country that is
most likely meant. It is the one that was chosen at the last import, which is why this stands with the models.
"""

from django.conf import settings

from notifier.addresses import phones, regions
from notifier.addresses.phones import Phone
from notifier.models.imports import ClientImport


def read(text: str) -> Phone:
    """The number. Raises ValueError as `phones.read`, with an example of the likely country where one is known."""
    region = settings.PHONE_DEFAULT_REGION
    try:
        return phones.read(text, region=region)
    except ValueError:
        # Only now is the country looked up: nearly all numbers are right.
        return phones.read(text, region=region, likely=likely_country())


def why_not(text: str) -> str:
    """What is wrong with it, in a sentence; empty where nothing is."""
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return ""


def how_to_write() -> str:
    """The note below the field of a number, in a sentence."""
    if region := settings.PHONE_DEFAULT_REGION:
        return f"Without a country code it is a number in {regions.in_words(region)}."
    country = likely_country()
    return f"With its country code{f', as in {regions.example(country)}' if country else ''}."


def likely_country() -> str:
    """Of a number without a country code; empty where there is none.

    That of the setting, or that of the last import, or else the one in whose time zone clients are.
    """
    return settings.PHONE_DEFAULT_REGION or _last_chosen() or regions.of_zone(settings.CLIENT_TIME_ZONE)


def _last_chosen() -> str:
    """At an import, of numbers without a country code; empty where nobody has said it."""
    done = ClientImport.objects.filter(state=ClientImport.State.DONE).exclude(phone_region=None)
    found = done.exclude(phone_region="").order_by("-pk").values_list("phone_region", flat=True)
    return found.first() or ""
