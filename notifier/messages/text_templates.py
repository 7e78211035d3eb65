"""Templates: texts to begin a notification from. What is to be filled in stands in square brackets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextTemplate:
    name: str
    #: What it is good for, in half a sentence.
    purpose: str
    subject: str
    preheader: str
    email_body: str
    sms_body: str

    @property
    def texts(self) -> dict[str, str]:
        """By the names of a notification's fields."""
        return {
            "subject": self.subject,
            "preheader": self.preheader,
            "email_body": self.email_body,
            "sms_body": self.sms_body,
        }


# No text for an SMS has a letter beyond GSM-7, and none is longer than one segment for most names.
TEMPLATES = {
    "announcement": TextTemplate(
        name="Announcement",
        purpose="News that everyone should know",
        subject="[what is new]",
        preheader='What it means for you, {{ first_name | "in short" }}',
        email_body="""Dear {{ name }},

We have news: **[what is new]**.

[why it matters, in one or two sentences]

- From [date]
- For [whom]
- No action needed

[Read more](https://www.example.com){.button}

If you have any questions, just reply to this e-mail.

Kind regards""",
        sms_body='Hello {{ first_name | "there" }}, we have news: [what is new], from [date]. Questions? Just call us.',
    ),
    "reminder": TextTemplate(
        name="Reminder",
        purpose="A date that is coming up",
        subject="Reminder: [event] on [date]",
        preheader='{{ first_name | "Hello" }}, don’t forget: [time], [place]',
        email_body="""Dear {{ name }},

This is a reminder of **[event]**.

- **When:** [date], [time]
- **Where:** [place]

Please bring [what to bring]. If you can’t come, let us know by replying to this e-mail.

[See the details](https://www.example.com){.button}

We look forward to seeing you.""",
        sms_body='Hello {{ first_name | "there" }}, a reminder: [event] on [date], [time], at [place]. See you there!',
    ),
    "new-listing": TextTemplate(
        name="New listing",
        purpose="Something that has just come on the market",
        subject="New: [what it is] in [place]",
        preheader='{{ first_name | "Hello" }}, be among the first to see it',
        email_body="""# [what it is] in [place]

Dear {{ name }},

This has just come in, and we thought of you:

- **Price:** [price]
- **Size:** [size]
- **Available:** from [date]

[what makes it special, in one or two sentences]

[Book a viewing](https://www.example.com){.button}

Viewings start on [date]. Reply to this e-mail if you have any questions.""",
        sms_body='{{ first_name | "Hello" }}, new in {{ topic }}: [what it is] in [place], [price]. '
        "Call us for a viewing.",
    ),
    "price-change": TextTemplate(
        name="Price change",
        purpose="A price that goes up or down",
        subject="New price: [property or service]",
        preheader="[new price] instead of [old price], from [date]",
        email_body="""Dear {{ name }},

The price of **[property or service]** changes on [date].

- **Until then:** [old price]
- **From [date]:** [new price]

[why it changes, in one sentence]

[See all prices](https://www.example.com){.button}

If you would like to talk about it, reply to this e-mail.""",
        sms_body='{{ first_name | "Hello" }}, [property or service]: [new price] instead of [old price], from [date].',
    ),
    "invitation": TextTemplate(
        name="Invitation",
        purpose="An event that asks for a reply",
        subject='{{ first_name | "Hello" }}, you are invited: [event]',
        preheader="[date], [time], [place]",
        email_body="""Dear {{ name }},

We would like to invite you to **[event]**.

- **When:** [date], [time]
- **Where:** [place]
- **Cost:** [price, or free]

[Reserve a place](https://www.example.com){.button}

Please reply by [date]. We look forward to seeing you.""",
        sms_body='Hello {{ first_name | "there" }}, you are invited: [event], [date], [time], at [place]. '
        "Reply YES to come.",
    ),
}
