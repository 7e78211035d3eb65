"""The field of a phone number, which says as every other page what is wrong with one."""

from typing import Any

from django.core.exceptions import ValidationError
from phonenumber_field.formfields import PhoneNumberField

from notifier.models import typed_phones


class PhoneField(PhoneNumberField):
    """Its own refusal would name an American number, whichever country is meant."""

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except ValidationError as error:
            if words := typed_phones.why_not(str(value or "")):
                raise ValidationError(words, code="invalid") from error
            raise
