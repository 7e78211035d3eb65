"""The e-mail as a client will read it: a page that other pages show in a frame."""

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from notifier.audience import readers
from notifier.clients import names
from notifier.messages import brands, email, pictures, placeholders, signed_links
from notifier.messages.email import RenderedEmail
from notifier.models import Brand, Broadcast, Channel, Client, Notification, Topic
from notifier.policies import client_values
from notifier.runtime import clock
from notifier.saved_audiences.compiling import Members
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


#: The parameter of the page's URL for another language than the default one.
LANGUAGE = "language"


def url(text: Notification | Broadcast, language: str | None = None, audience: str = "") -> str:
    """The URL of the page with its e-mail; a broadcast's shows the frozen text.

    `audience`: parameters that say to whom a notification would go.
    """
    address = reverse(f"admin:notifier_{text._meta.model_name}_email_preview", args=[text.pk])
    query = "&".join(filter(None, [f"{LANGUAGE}={language}" if language else "", audience]))
    return f"{address}?{query}" if query else address


def page(request: HttpRequest, text: Notification | Broadcast, within: Members | None = None) -> HttpResponse:
    """`within`: the audience that a notification would go to."""
    if not text.email_body.strip():
        raise Http404(gettext("%(text)s has no e-mail text.") % {"text": text})
    may_see = may_see_a_client(request)
    # The same as on the page around it, where the SMS is shown for them too.
    language = request.GET.get(LANGUAGE) or None
    found = readers.of(text, now=clock.now(), language=language, within=within) if may_see else {}
    sample = found.get(Channel.EMAIL)
    known = values(text, Channel.EMAIL, sample, language)
    html = for_a_frame(rendered(text, language).html_for(known, test_token(text.topic)))
    return HttpResponse(html, headers={"X-Frame-Options": "SAMEORIGIN"})


def may_see_a_client(request: HttpRequest) -> bool:
    """Whether the sample may be a real client."""
    return any(map(request.user.has_perm, KNOWN_TO))


def size_warning(text: Notification | Broadcast, known: Mapping[str, str], language: str | None = None) -> str:
    """A sentence where Gmail would cut off what a client with these values gets; empty where it shows all of it."""
    return email.size_warning(rendered(text, language).html_for(known, test_token(text.topic)))


def as_text(text: Notification | Broadcast, known: Mapping[str, str], language: str | None = None) -> str:
    """The text version, for mail programs that show no HTML, for a client with these values."""
    return rendered(text, language).text_for(known, test_token(text.topic)).strip()


def rendered(text: Notification | Broadcast, language: str | None = None) -> RenderedEmail:
    """As a client of this language gets it. A broadcast's has the brand as it was when it was asked for, a
    notification's that of now.
    """
    brand = brands.of(text.brand) if isinstance(text, Broadcast) else Brand.objects.look()
    chosen = text.chosen(Channel.EMAIL, language)
    return email.render(
        subject=chosen.texts.subject,
        preheader=chosen.texts.preheader,
        body=chosen.texts.email_body,
        brand=brand,
        language=chosen.language,
        reader=language,
    )


def test_token(topic: Topic | None) -> str:
    """For links that can be followed but change nothing: a client's own links are for nobody else."""
    return signed_links.token(signed_links.Link(signed_links.NOBODY, topic.pk if topic else 0, 0))


def values(
    text: Notification | Broadcast, channel: Channel, sample: Client | None, language: str | None = None
) -> dict[str, str]:
    """As they read in this language; without a sample, those of the invented client."""
    return client_values.of_client(
        sample or nobody(),
        topic=text.topic.name,
        keys=placeholders.used(*text.texts(channel)),
        language=language,
        channel=channel,
    )


def nobody() -> Client:
    """The invented client, who is in no database."""
    client = Client()
    names.rename(client, first_name="Alex", last_name="Example")
    return client


def for_a_frame(html: str) -> str:
    """The page with links that open in a new window, because in the frame they would replace the e-mail; and with our
    pictures from the address at which staff have us open, which is not always the one that clients know.
    """
    html = html.replace(f'src="{pictures.url("")}', f'src="{reverse("picture", args=["-"])[:-1]}')
    return html.replace("<head>", '<head><base target="_blank">', 1)
