"""The addresses that are never written to: seen, entered and lifted, each with its reason, and never edited."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from notifier.admin.lists.addresses import breakable
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.search import as_address, begins
from notifier.admin.lists.selection import MAX_CHOSEN, Selection
from notifier.consent import digests, suppression_history, suppressions
from notifier.consent.suppressions import STAFF_LIFTABLE, Evidence, Source
from notifier.models import Channel, Suppression
from notifier.runtime import clock
from notifier.wording.badges import badge

LIFT, LIFT_REFUSAL = "notifier.lift_suppression", "notifier.lift_refusal"
TONES = {
    Source.STAFF: "quiet",
    Source.BOUNCE: "warn",
    Source.COMPLAINT: "bad",
    Source.CLIENT: "active",
    Source.ERASED: "quiet",
}


class SuppressionForm(forms.ModelForm):
    class Meta:
        model = Suppression
        fields = ("channel", "address", "reason")
        help_texts = {"reason": "Kept with your name, e.g. “asked by phone”. Don’t repeat the address."}


class LiftForm(forms.Form):
    why = forms.CharField(
        label="Why",
        max_length=300,
        help_text="Kept for ever with your name, e.g. “ticket 4711: the mailbox is back”. Don’t repeat the address.",
        error_messages={"required": "Say why: it is kept in the record."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def liftable(user: Any) -> tuple[Suppression.Source, ...]:
    """The sources that somebody's rights let them lift."""
    ours = STAFF_LIFTABLE if user.has_perm(LIFT) else ()
    return (*ours, *(Suppression.CLIENT_REQUESTED if user.has_perm(LIFT_REFUSAL) else ()))


@admin.register(Suppression)
class SuppressionAdmin(BackOfficeAdmin):
    form = SuppressionForm
    list_display = ("shown_address", "channel", "shown_source", "reason", "created_at")
    list_filter = ("source", "channel")
    search_fields = ("address__startswith",)
    search_help_text = "The beginning of an e-mail address or phone number; all of it for one that was erased."
    ordering = ("-pk",)
    actions = ("lift_selected",)
    readonly_fields = ("shown_address", "channel", "shown_source", "reason", "created_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        if not search_term.strip():
            return queryset, False
        channel, address = as_address(search_term)
        found = begins("address", address)
        if channel is not None:
            # One by one, so that each is looked up by an index.
            erased = Suppression.objects.filter(channel=channel, address__in=digests.digests(channel, address))
            if ids := list(erased.values_list("pk", flat=True)):
                return queryset.filter(pk__in=[*ids, *queryset.filter(found).values_list("pk", flat=True)]), False
        return queryset.filter(found), False

    @admin.display(description="address")
    def shown_address(self, suppression: Suppression) -> SafeString:
        return breakable(suppression.shown_address)

    @admin.display(description="source")
    def shown_source(self, suppression: Suppression) -> SafeString:
        source = Source(suppression.source)
        return badge(text=str(source.label), tone=TONES[source])

    # --- Entering ---
    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else SuppressionForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        channel, address = Channel(obj.channel), obj.address
        evidence = Evidence(Source.STAFF, obj.reason, by=cast(User, request.user))
        suppressions.suppress(channel=channel, address=address, evidence=evidence, now=clock.now())
        # As it is kept: of an erased address there was one already, and nothing else of it may be told.
        kept = Suppression.objects.filter(suppressions.known(channel, address)).order_by("pk")[:1].get()
        obj.pk, obj.address = kept.pk, kept.address

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Not in the stock log, which would keep the address: the record of it says who, when and why."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- Its page ---
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        extra: dict[str, Any] = {}
        if row is not None and self.has_view_permission(request):
            extra["lift"] = self._lift_url([row.pk], None) if row.source in liftable(request.user) else ""
            address = suppression_history.named(channel=Channel(row.channel), address=row.address)
            if request.user.has_perm("notifier.view_suppressionchange"):
                extra["story"] = suppression_history.story([address])
            if request.user.has_perm("notifier.view_providerevent"):
                extra["events"] = suppression_history.events([address])[: suppression_history.MOST]
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    # --- Lifting ---
    def get_urls(self) -> list[URLPattern]:
        lift = self.admin_site.admin_view(self.lift_view)
        return [path("lift/", lift, name="notifier_suppression_lift"), *super().get_urls()]

    def has_lift_permission(self, request: HttpRequest) -> bool:
        return bool(liftable(request.user))

    @admin.action(description="Lift…", permissions=["lift"])
    def lift_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse:
        if request.POST.get("select_across") == "1":
            text = "“Lift” is for suppressions that you tick one by one, not for all of a list at once."
            self.message_user(request, text, messages.WARNING)
            return redirect(request.get_full_path())
        query = request.GET.copy()
        query.pop("p", None)
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:MAX_CHOSEN])
        return redirect(self._lift_url(ids, query.urlencode()))

    def _lift_url(self, ids: list[int], listed: str | None) -> str:
        return f"{self.page_url('lift')}?{Selection(ids, listed).query()}"

    def lift_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST does it."""
        sources = liftable(request.user)
        if not (self.has_view_permission(request) and sources):
            raise PermissionDenied
        selection = Selection.read(request.GET)
        if selection is None or not selection.ids:
            self.message_user(request, "Choose the suppressions from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        rows = list(Suppression.objects.filter(pk__in=selection.ids).order_by("pk"))
        if not any(row.source in sources for row in rows) and rows:
            raise PermissionDenied
        form = LiftForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._lift(request, selection, form.cleaned_data["why"], sources)
            return redirect(self._back(selection, lifted=True))
        return self._ask(request, rows, sources, {"form": form, "back": self._back(selection, lifted=False)})

    def _lift(self, request: HttpRequest, selection: Selection, why: str, sources: Any) -> None:
        evidence = Evidence(Source.STAFF, why, by=cast(User, request.user))
        number = suppressions.lift_rows(ids=selection.ids, evidence=evidence, now=clock.now(), sources=sources)
        if number:
            which = "1 suppression was" if number == 1 else f"{number:,} suppressions were"
            self.message_user(request, f"{which} lifted. Consent decides again who is written to.", messages.SUCCESS)
        else:
            self.message_user(request, "Nothing was changed: somebody else was faster.", messages.WARNING)

    def _ask(
        self, request: HttpRequest, rows: list[Suppression], sources: Any, context: dict[str, Any]
    ) -> HttpResponse:
        lifted = [row for row in rows if row.source in sources]
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Lift {_counted(len(lifted))}?" if lifted else "Lift: nothing to do",
            "lifted": [(row, self.shown_source(row)) for row in lifted],
            "left": len(rows) - len(lifted),
            "refused": any(row.is_own_word for row in lifted),
            "button": f"Lift {_counted(len(lifted))}",
        }
        return TemplateResponse(request, "admin/notifier/suppression/lift.html", page | context)

    def _back(self, selection: Selection, *, lifted: bool) -> str:
        if selection.listed is not None:
            return f"{self.page_url('changelist')}?{selection.listed}"
        return self.page_url("changelist") if lifted else self.page_url("change", *selection.ids[:1])


def _counted(number: int) -> str:
    return f"{number:,} suppression{'' if number == 1 else 's'}"
