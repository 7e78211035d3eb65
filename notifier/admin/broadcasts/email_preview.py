"""The e-mail as a client will read it: a page that other pages show in a frame."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from notifier.broadcasts import audience
from notifier.messages import email, placeholders, signed_links
from notifier.models import Broadcast, Channel, Client, Notification, Topic
from notifier.staff import groups

#: Shown where no client consents, so that the message can be read all the same.
NOBODY = "Alex Example"
#: With one of these permissions the sample is a real client: who sends or approves has to see one.
KNOWN_TO = (groups.VIEW_CLIENT, groups.SEND_BROADCAST, groups.APPROVE_BROADCAST)
#: Its styles are inline. Nothing in it runs, loads or posts anything, and only our own pages may frame it; its links
#: open in a new window.
POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "frame-ancestors": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


def url(text: Notification | Broadcast) -> str:
    """The URL of the page with its e-mail; a broadcast's shows the frozen text."""
    return reverse(f"admin:notifier_{text._meta.model_name}_email_preview", args=[text.pk])


def page(request: HttpRequest, text: Notification | Broadcast) -> HttpResponse:
    if not text.email_body.strip():
        raise Http404(f"{text} has no e-mail text.")
    may_see = may_see_a_client(request)
    sample = audience.sample(topic=text.topic, channel=Channel.EMAIL) if may_see else None
    rendered = email.render(subject=text.subject, body=text.email_body)
    html = for_a_frame(rendered.html_for(values(text, sample), test_token(text.topic)))
    return HttpResponse(html, headers={"X-Frame-Options": "SAMEORIGIN"})


def may_see_a_client(request: HttpRequest) -> bool:
    """Whether the sample may be a real client."""
    return any(map(request.user.has_perm, KNOWN_TO))


def as_text(text: Notification | Broadcast, sample: Client | None) -> str:
    """The text version, for mail programs that show no HTML."""
    rendered = email.render(subject=text.subject, body=text.email_body)
    return rendered.text_for(values(text, sample), test_token(text.topic)).strip()


def test_token(topic: Topic | None) -> str:
    """For links that can be followed but change nothing: a client's own links are for nobody else."""
    return signed_links.token(signed_links.Link(signed_links.NOBODY, topic.pk if topic else 0, 0))


def values(text: Notification | Broadcast, sample: Client | None) -> dict[str, str]:
    return placeholders.values(name=sample.name if sample else NOBODY, topic=text.topic.name)


def for_a_frame(html: str) -> str:
    """The page with links that open in a new window; in the frame they would replace the e-mail."""
    return html.replace("<head>", '<head><base target="_blank">', 1)
