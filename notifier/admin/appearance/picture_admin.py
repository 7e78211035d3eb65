"""Pictures: their list with small ones, the form that takes a file, and the page that says where one is used."""

from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.messages import pictures
from notifier.models import Picture
from notifier.models.brands import ONLY
from notifier.pictures import decoding, storing, usage


def max_bytes() -> int:
    """Of a file. The limit of all uploads holds here too, where it is lower."""
    return min(decoding.MAX_BYTES, settings.UPLOAD_MAX_MB * 1_000_000)


class NewPictureForm(forms.ModelForm):
    file = forms.FileField(
        label=_("Picture"),
        error_messages={"required": _("Choose a picture."), "empty": _("The file is empty.")},
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/gif"}),
    )
    #: What was made of the file.
    decoded: decoding.Decoded | None = None

    class Meta:
        model = Picture
        fields = ("alt",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = gettext(
            "JPEG, PNG or a still GIF, up to %(max_bytes)s MB and %(decoding)s million pixels. It is reduced "
            "to %(max_width)s pixels wide, and the place and time it was taken are removed from it."
        ) % {
            "max_bytes": f"{max_bytes() / 1000000:g}",
            "decoding": decoding.MAX_PIXELS // 1000000,
            "max_width": f"{pictures.MAX_WIDTH:,}",
        }

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        try:
            self.decoded = decoding.decode(cast(Any, file))
        except decoding.BadPicture as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return file


@admin.register(Picture)
class PictureAdmin(GuardedDeleteAdmin):
    list_display = ("thumbnail", "alt", "dimensions", "size", "created_at")
    list_display_links = ("alt",)
    search_fields = ("alt__icontains",)
    search_help_text = _("Search by description.")
    ordering = ("-created_at",)
    refusals = (storing.StorageDown,)
    sortable_by = ("created_at",)

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifier/appearance.css"]}

    # --- The list ---
    @admin.display(description=_("picture"))
    def thumbnail(self, picture: Picture) -> SafeString:
        address = reverse("picture", args=[f"{pictures.SMALL}{picture.name}"])
        # Its description stands beside it.
        return format_html('<img class="thumbnail" src="{}" alt="" loading="lazy">', address)

    @admin.display(description=_("pixels"))
    def dimensions(self, picture: Picture) -> str:
        return f"{picture.width:,} × {picture.height:,}"

    @admin.display(description=_("size"))
    def size(self, picture: Picture) -> str:
        return f"{max(1, round(picture.size_bytes / 1000)):,} kB"

    @admin.display(description=_("size"))
    def exact_size(self, picture: Picture) -> str:
        return f"{picture.size_bytes:,} bytes ({self.size(picture)})"

    # --- Its page ---
    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewPictureForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("shown", "alt", "to_paste", "dimensions", "exact_size", "used_in", "created_at")
            if obj
            else ("file", "alt")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("shown", "to_paste", "dimensions", "exact_size", "used_in", "created_at") if obj else ()

    @admin.display(description=_("picture"))
    def shown(self, picture: Picture) -> SafeString:
        width, height = pictures.shown_size(picture.name)
        address = reverse("picture", args=[picture.name])
        return format_html(
            '<img class="picture" src="{}" alt="{}" width="{}" height="{}">', address, picture.alt, width, height
        )

    @admin.display(description=_("Markdown"))
    def to_paste(self, picture: Picture) -> SafeString:
        return format_html(
            '<code class="to-paste">{}</code><span class="help">Paste this into the text of an e-mail, where you '
            "want the picture.</span>",
            picture.markdown,
        )

    @admin.display(description=_("used in"))
    def used_in(self, picture: Picture) -> SafeString | str:
        uses = usage.uses_of(picture)
        rows = [(reverse("admin:notifier_notification_change", args=[n.pk]), str(n)) for n in uses.notifications]
        rows += [(reverse("admin:notifier_broadcast_progress", args=[b.pk]), f"Broadcast {b}") for b in uses.broadcasts]
        rows += [(reverse("admin:notifier_brand_change", args=[ONLY]), "Brand")] if uses.in_brand else []
        links = format_html_join("", '<li><a href="{}">{}</a></li>', rows)
        return format_html('<ul class="used-in">{}</ul>', links) if rows else "nothing yet"

    # --- Saving and deleting ---
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        kept = storing.keep(decoded=form.decoded, alt=obj.alt, by=cast(User, request.user))
        obj.__dict__.update(kept.__dict__)

    def reason_to_keep(self, obj: Picture) -> str:
        uses = usage.uses_of(obj)
        if not uses:
            return ""
        return gettext(
            "“%(obj)s” can’t be deleted, because it is used in %(in_words)s. Clients may still open that e-mail."
        ) % {"obj": obj, "in_words": uses.in_words}

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        storing.delete(obj)
