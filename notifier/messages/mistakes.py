"""What is wrong with the texts of a notification, in sentences for whoever writes it."""

from notifier.messages import markdown, placeholders
from notifier.messages.placeholders import NO_FIELDS, Fields


def found(
    fields: Fields = NO_FIELDS, /, *, subject: str, preheader: str, email_body: str, sms_body: str
) -> dict[str, list[str]]:
    """By the names of the texts, only those with a mistake. That one of them is missing is none of these.

    `fields`: those of clients, which a text can have placeholders of.
    """
    each = {
        "subject": placeholders.subject_mistakes(subject, fields) if subject else [],
        "preheader": placeholders.preheader_mistakes(preheader, fields),
        "email_body": placeholders.mistakes(email_body, fields) + markdown.mistakes(email_body),
        "sms_body": placeholders.sms_mistakes(sms_body, fields),
    }
    return {name: sentences for name, sentences in each.items() if sentences}
