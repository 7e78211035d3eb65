"""What is wrong with the texts of a notification, in sentences for whoever writes it."""

from notifier.messages import markdown, placeholders


def found(*, subject: str, preheader: str, email_body: str, sms_body: str) -> dict[str, list[str]]:
    """By the names of the fields, only those with a mistake. That one of them is missing is none of these."""
    each = {
        "subject": placeholders.subject_mistakes(subject) if subject else [],
        "preheader": placeholders.preheader_mistakes(preheader),
        "email_body": placeholders.mistakes(email_body) + markdown.mistakes(email_body),
        "sms_body": placeholders.sms_mistakes(sms_body),
    }
    return {name: sentences for name, sentences in each.items() if sentences}
