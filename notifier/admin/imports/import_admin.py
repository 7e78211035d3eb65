"""The way of a file of clients through the pages: choose it, say what its columns are, look, import. And the record."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

from notifier.admin.imports import previews
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.clients.imports import columns, importer, retention, uploads
from notifier.clients.imports.columns import MappingError
from notifier.clients.imports.uploads import AlreadyDone
from notifier.clients.imports.writing import ChangedMeanwhile
from notifier.files.base import FileError
from notifier.models import ClientImport
from notifier.runtime import clock
from notifier.wording.badges import badge
from notifier.wording.model_names import NOTHING

IMPORT = "notifier.import_client"
#: Beside the file itself a form posts a few hundred bytes.
ENVELOPE_BYTES = 100_000
#: Of a larger upload so much is thrown away, so that the browser hears why; then the connection may break.
MAX_DRAINED_BYTES = 100_000_000
STATES = {"UPLOADED": "warn", "DONE": "good", "DISCARDED": "quiet"}

View = Callable[..., Any]


def most_bytes() -> int:
    """Of a file. The house's own limit holds here too, where it is lower."""
    return min(uploads.MAX_BYTES, settings.UPLOAD_MAX_MB * 1_000_000)


def too_large() -> str:
    return f"The file is larger than {most_bytes() / 1_000_000:g} MB. See below how to import it all the same."


def limited(view: View, *, refuse: Callable[[HttpRequest], HttpResponse]) -> View:
    """Turns a larger upload away by the length that it declares, before it is read.

    The check of the form's token reads all of it. So this stands around that check, and `view` has to make it.
    """

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if int(request.META.get("CONTENT_LENGTH") or 0) <= most_bytes() + ENVELOPE_BYTES:
            return view(request, *args, **kwargs)
        drained = 0
        while request.user.is_authenticated and drained < MAX_DRAINED_BYTES and (piece := request.read(65_536)):
            drained += len(piece)
        return refuse(request)

    # So that the limit of all requests leaves its own to it.
    answer.refuses_what_is_too_large = True  # type: ignore[attr-defined]
    return answer


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        error_messages={"required": "Choose a file.", "empty": "The file is empty: there is nothing in it to import."},
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field, most = self.fields["file"], most_bytes()
        field.widget.attrs["data-most-bytes"] = most
        field.help_text = (
            f"CSV or Excel (.xlsx), up to {uploads.MAX_ROWS:,} rows and {most / 1_000_000:g} MB. "
            "The first row names the columns."
        )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > most_bytes():
            raise forms.ValidationError(too_large())
        return file


class ResubscribeForm(forms.Form):
    """Posted with the button that imports."""

    resubscribe = forms.BooleanField(required=False)
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=uploads.MAX_REASON_LETTERS,
        help_text="Kept with each of these consents, e.g. “signed the form at the fair in May”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("resubscribe") and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Say why they are subscribed again: it is kept in the record.")
        return cleaned

    @property
    def chosen(self) -> str:
        return self.cleaned_data["reason"].strip() if self.cleaned_data["resubscribe"] else ""


@admin.register(ClientImport)
class ClientImportAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "state_shown", "who", "created_at", "added", "changed", "unchanged", "not_taken")
    list_select_related = ("created_by",)
    list_filter = ("state",)
    search_fields = ("file_name__icontains",)
    search_help_text = "A part of the file’s name."
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientImport]:
        return super().get_queryset(request).defer("content", "failed_rows", "mapping")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(IMPORT)

    # --- The record ---
    @admin.display(description="state")
    def state_shown(self, row: ClientImport) -> SafeString:
        return badge(text=row.get_state_display(), tone=STATES[row.state])

    @admin.display(description="by")
    def who(self, row: ClientImport) -> str:
        return row.created_by.get_username() if row.created_by else "the command line"

    @admin.display(description="added")
    def added(self, row: ClientImport) -> str:
        return _number(row, "added")

    @admin.display(description="changed")
    def changed(self, row: ClientImport) -> str:
        return _number(row, "changed")

    @admin.display(description="unchanged")
    def unchanged(self, row: ClientImport) -> str:
        return _number(row, "unchanged")

    @admin.display(description="not taken")
    def not_taken(self, row: ClientImport) -> str:
        return _number(row, "failed")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = cast(ClientImport | None, self.get_object(request, unquote(object_id)))
        if row is None or request.method != "GET":
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        is_mine = self._is_mine(request, row)
        if row.state == ClientImport.State.UPLOADED and is_mine:
            return redirect(self.page_url("columns", row.pk))
        kept = ClientImport.objects.filter(pk=row.pk).exclude(failed_rows="").exists()
        page = {
            "title": f"Import of {row.file_name}",
            "row": row,
            "state": self.state_shown(row),
            "who": self.who(row),
            "figures": previews.figures(row.counts),
            "notes": previews.notes(row.counts),
            "may_download": kept and is_mine,
            "kept_until": row.finished_at + retention.KEEP_FAILED_ROWS if row.finished_at else None,
        }
        return self._page(request, "result", page)

    # --- The way of a file ---
    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        upload = limited(guard(self.upload_view), refuse=self._refuse_size)
        views: list[tuple[str, View, str]] = [
            ("upload/", upload, "upload"),
            ("<int:pk>/columns/", guard(self.columns_view), "columns"),
            ("<int:pk>/preview/", guard(self.preview_view), "preview"),
            ("<int:pk>/discard/", guard(self.discard_view), "discard"),
            ("<int:pk>/failed-rows/", guard(self.failed_rows_view), "failed_rows"),
        ]
        return [
            *(path(route, view, name=f"notifier_clientimport_{name}") for route, view, name in views),
            *super().get_urls(),
        ]

    def _refuse_size(self, request: HttpRequest) -> HttpResponse:
        self.message_user(request, too_large(), messages.ERROR)
        return redirect(self.page_url("upload"))

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(IMPORT):
            raise PermissionDenied
        retention.purge(now=clock.now())
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                made = uploads.upload(file=file, name=file.name, by=cast(User, request.user), now=clock.now())
                return redirect(self.page_url("columns", made.pk))
            except FileError as error:
                form.add_error("file", str(error))
        page = {"title": "Import clients", "form": form, "most_rows": uploads.MAX_ROWS, "step": 1}
        return self._page(request, "upload", page)

    def columns_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        pending = self._pending(request, pk)
        if pending is None:
            return redirect(self.page_url("change", pk))
        table = uploads.table_of(pending)
        chosen = pending.mapping
        note = ""
        if request.method == "POST":
            chosen = {name: request.POST.get(f"column-{number}", "") for number, name in enumerate(table.header)}
            try:
                uploads.arrange(pending=pending, mapping=chosen)
                return redirect(self.page_url("preview", pk))
            except MappingError as error:
                note = str(error)
            except AlreadyDone:
                return redirect(self.page_url("change", pk))
        page = {
            "title": "What is in the columns?",
            "pending": pending,
            "kind": table.kind,
            "columns": previews.columns_of(table, chosen),
            "choices": columns.choices(importer.subjects()).items(),
            "note": note,
            "step": 2,
        }
        return self._page(request, "columns", page)

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        pending = self._pending(request, pk)
        if pending is None:
            return redirect(self.page_url("change", pk))
        form = ResubscribeForm(request.POST if request.method == "POST" else None)
        try:
            if form.is_valid():
                return self._carry_out(request, pending, form.chosen)
            found = uploads.plan(pending=pending, shown=previews.MAX_SHOWN)
        except MappingError as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(self.page_url("columns", pk))
        page = {
            "title": f"Import {pending.file_name}?",
            "pending": pending,
            "form": form,
            "may_resubscribe": request.user.has_perm(uploads.RESUBSCRIBE),
            "step": 3,
            **previews.preview(pending, found),
        }
        return self._page(request, "preview", page)

    def _carry_out(self, request: HttpRequest, pending: ClientImport, reason: str) -> HttpResponse:
        try:
            done = uploads.carry_out(pending=pending, by=cast(User, request.user), reason=reason, now=clock.now())
        except uploads.NotAllowed as error:
            raise PermissionDenied from error
        except ChangedMeanwhile:
            note = "Nothing was imported: somebody changed one of these clients in the same moment. Look again."
            self.message_user(request, note, messages.WARNING)
            return redirect(self.page_url("preview", pending.pk))
        except AlreadyDone:
            self.message_user(request, "This file had been imported or discarded already.", messages.INFO)
        else:
            level = messages.WARNING if done.counts["failed"] else messages.SUCCESS
            self.message_user(request, previews.sentence(done.counts), level)
        return redirect(self.page_url("change", pending.pk))

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        pending = self._pending(request, pk)
        if pending is None:
            return redirect(self.page_url("change", pk))
        uploads.discard(pending=pending, now=clock.now())
        self.message_user(request, f"{pending.file_name} was discarded. Nothing was imported.", messages.SUCCESS)
        return redirect("admin:notifier_client_changelist")

    def failed_rows_view(self, request: HttpRequest, pk: int) -> Any:
        """Those of an import, or those that would be of one that waits."""
        row = self._mine(request, pk)
        if row.state == ClientImport.State.UPLOADED:
            try:
                pieces: Any = iter([uploads.failed_rows(pending=row)])
            except MappingError:
                return redirect(self.page_url("columns", pk))
        elif row.failed_rows:
            pieces = iter([row.failed_rows.encode()])
        else:
            raise Http404("There are none, or they were kept for long enough.")
        name = f"{row.file_name.rpartition('.')[0] or row.file_name} - not taken.csv"
        disposition = {"Content-Disposition": content_disposition_header(True, name)}
        return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=disposition)

    # --- Whose it is ---
    def _is_mine(self, request: HttpRequest, row: ClientImport) -> bool:
        """What others upload is none of my business: it is full of personal data that may not be wanted here."""
        mine = row.created_by_id == request.user.pk or cast(User, request.user).is_superuser
        return mine and request.user.has_perm(IMPORT)

    def _mine(self, request: HttpRequest, pk: int) -> ClientImport:
        row = ClientImport.objects.select_related("created_by").filter(pk=pk).first()
        if row is None:
            raise Http404
        if not self._is_mine(request, row):
            raise PermissionDenied
        return row

    def _pending(self, request: HttpRequest, pk: int) -> ClientImport | None:
        """None where it has been imported or discarded."""
        row = self._mine(request, pk)
        return row if row.state == ClientImport.State.UPLOADED else None

    def _page(self, request: HttpRequest, name: str, page: dict[str, Any]) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **page}
        return TemplateResponse(request, f"admin/notifier/clientimport/{name}.html", context)


def _number(row: ClientImport, name: str) -> str:
    return f"{row.counts[name]:,}" if name in row.counts else NOTHING
