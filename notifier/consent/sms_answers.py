"""What a client reads in answer to a keyword by SMS, in their language. None of it has a letter beyond GSM-7."""

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from notifier.consent import sms_keywords
from notifier.consent.sms_replies import SmsReply
from notifier.languages import offered
from notifier.models import Client, InboundMessage

Outcome = InboundMessage.Outcome
#: What SMS_HELP_ANSWER says where it was not set.
OUR_HELP = "You are receiving these messages because you asked for them. Reply STOP to end them."


def answer(*, reply: SmsReply, outcome: Outcome) -> str:
    """Empty for what is not answered, or was by the provider itself, as STOP and START are."""
    if reply.taken_for:
        return ""
    if outcome is Outcome.HELPED:
        return help_answer(language_of(reply.sender))
    if outcome is Outcome.STOPPED and sms_keywords.is_local(reply.text):
        with translation.override(offered.of(language_of(reply.sender))):
            return _("You are unsubscribed and will get no more SMS from us. Reply START to get them again.")
    return ""


def help_answer(language: str | None) -> str:
    """SMS_HELP_ANSWER_DE for a client who speaks German, or else SMS_HELP_ANSWER, translated where it is ours.

    Where that is empty nobody is answered: the provider does it.
    """
    code = offered.of(language)
    if not settings.SMS_HELP_ANSWER:
        return ""
    text: str = settings.SMS_HELP_ANSWERS.get(code) or settings.SMS_HELP_ANSWER
    if text != OUR_HELP:
        return text
    with translation.override(code):
        return _("You are receiving these messages because you asked for them. Reply STOP to end them.")


def language_of(number: str) -> str | None:
    """That of the client with this number; None where there is none, or none is on record."""
    return Client.objects.filter(phone=number).values_list("language", flat=True).first()
