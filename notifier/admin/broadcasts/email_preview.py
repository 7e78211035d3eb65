"""The e-mail as a client will read it: a page that other pages show in a frame."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from notifier.audience import readers
from notifier.messages import brands, email, pictures, placeholders, signed_links
from notifier.messages.email import RenderedEmail
from notifier.models import Brand, Broadcast, Channel, Client, Notification, Topic
from notifier.runtime import clock
from notifier.staff import groups

#: Shown where no client consents, so that the message can be read all the same.
NOBODY = "Alex Example"
#: With one of these permissions the sample is a real client: who sends or approves has to see one.
KNOWN_TO = (groups.VIEW_CLIENT, groups.SEND_BROADCAST, groups.APPROVE_BROADCAST)
#: Its styles are inline. Nothing in it runs or posts anything, or loads anything but our pictures, and only our own
#: pages may frame it; its links open in a new window. It keeps our origin, so that the page around it can see how high
#: it is.
POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'"],
    "frame-ancestors": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "sandbox": ["allow-same-origin", "allow-popups", "allow-popups-to-escape-sandbox"],
}


def url(text: Notification | Broadcast) -> str:
    """The URL of the page with its e-mail; a broadcast's shows the frozen text."""
    return reverse(f"admin:notifier_{text._meta.model_name}_email_preview", args=[text.pk])


def page(request: HttpRequest, text: Notification | Broadcast) -> HttpResponse:
    if not text.email_body.strip():
        raise Http404(f"{text} has no e-mail text.")
    may_see = may_see_a_client(request)
    # The same as on the page around it, where the SMS is shown for them too.
    sample = readers.of(text, now=clock.now()).get(Channel.EMAIL) if may_see else None
    html = for_a_frame(rendered(text).html_for(values(text, sample), test_token(text.topic)))
    return HttpResponse(html, headers={"X-Frame-Options": "SAMEORIGIN"})


def may_see_a_client(request: HttpRequest) -> bool:
    """Whether the sample may be a real client."""
    return any(map(request.user.has_perm, KNOWN_TO))


def size_warning(text: Notification | Broadcast, sample: Client | None) -> str:
    """A sentence where Gmail would cut off what this client gets; empty where it shows all of it."""
    html = rendered(text).html_for(values(text, sample), test_token(text.topic))
    return email.size_warning(html)


def as_text(text: Notification | Broadcast, sample: Client | None) -> str:
    """The text version, for mail programs that show no HTML."""
    return rendered(text).text_for(values(text, sample), test_token(text.topic)).strip()


def rendered(text: Notification | Broadcast) -> RenderedEmail:
    """A broadcast's has the brand as it was when it was asked for, a notification's that of now."""
    brand = brands.of(text.brand) if isinstance(text, Broadcast) else Brand.objects.look()
    return email.render(subject=text.subject, preheader=text.preheader, body=text.email_body, brand=brand)


def test_token(topic: Topic | None) -> str:
    """For links that can be followed but change nothing: a client's own links are for nobody else."""
    return signed_links.token(signed_links.Link(signed_links.NOBODY, topic.pk if topic else 0, 0))


def values(text: Notification | Broadcast, sample: Client | None) -> dict[str, str]:
    return placeholders.values(name=sample.name if sample else NOBODY, topic=text.topic.name)


def for_a_frame(html: str) -> str:
    """The page with links that open in a new window, because in the frame they would replace the e-mail; and with our
    pictures from the address at which staff have us open, which is not always the one that clients know.
    """
    html = html.replace(f'src="{pictures.url("")}', f'src="{reverse("picture", args=["-"])[:-1]}')
    return html.replace("<head>", '<head><base target="_blank">', 1)
