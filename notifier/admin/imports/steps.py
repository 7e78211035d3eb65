"""The pages of an uploaded file: say what its columns hold, preview the import, and run or discard it."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.addresses import regions
from notifier.admin.imports import ownership, previews
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.reason_field import HOW_DO_WE_KNOW, EvidenceField, ReasonField
from notifier.clients.imports import columns, importer, proposals, uploads
from notifier.clients.imports.columns import MappingError
from notifier.clients.imports.uploads import AlreadyDone
from notifier.clients.imports.writing import ClientsChanged, EvidenceMissing
from notifier.files import encodings
from notifier.files.base import FileError
from notifier.messages import lines
from notifier.models import ClientImport
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups

NOT_AS_SHOWN = _(
    "Nothing was imported: the columns or some of these clients have changed since you opened the page. The page below "
    "is up to date."
)


class ImportForm(forms.Form):
    """Posted with the button that imports."""

    #: Needed where somebody agrees to something from now on.
    evidence = EvidenceField(
        help_text=_("Recorded with each consent that the file adds. For example: “signed the form at the fair”.")
    )
    resubscribe = forms.BooleanField(required=False)
    #: The version of the plan that the page showed.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = ReasonField(
        required=False,
        max_length=uploads.MAX_REASON_LETTERS,
        help_text=_("Recorded with each consent. For example: “signed the form at the fair in May”."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("resubscribe") and not cleaned.get("reason", "").strip():
            self.add_error("reason", gettext("Say why they are subscribed again. It is recorded."))
        return cleaned

    @property
    def chosen_evidence(self) -> str:
        return str(self.cleaned_data["evidence"].strip())

    @property
    def chosen_reason(self) -> str:
        """Why those who had opted out are subscribed again; empty where they are not."""
        return self.cleaned_data["reason"].strip() if self.cleaned_data["resubscribe"] else ""


def columns_page(model_admin: BackOfficeAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    pending = ownership.get_pending(request, pk)
    if pending is None:
        return redirect(model_admin.page_url("change", pk))
    table = uploads.table_of(pending)
    chosen, region = pending.mapping, uploads.region_of(pending)
    note = wrong = ""
    if request.method == "POST":
        chosen = {name: request.POST.get(f"column-{number}", "") for number, name in enumerate(table.header)}
        region = request.POST.get("region", region)
        try:
            if (encoding := request.POST.get("encoding", "")) and encoding != table.encoding:
                # The columns may be called otherwise now: they are shown anew.
                uploads.set_encoding(pending=pending, encoding=encoding)
                text = gettext("The text is now read as %(name)s. Check the columns again and continue.") % {
                    "name": encodings.name(encoding)
                }
                model_admin.message_user(request, text, messages.SUCCESS)
                return redirect(model_admin.page_url("columns", pk))
            if table.encoding == encodings.UNKNOWN:
                raise MappingError(uploads.CHOOSE_ENCODING)
            uploads.set_mapping(pending=pending, mapping=chosen, region=region)
            return redirect(model_admin.page_url("preview", pk))
        except FileError as error:
            note, wrong = str(error), "encoding"
        except MappingError as error:
            elsewhere = "encoding" if table.encoding == encodings.UNKNOWN else "region"
            note, wrong = str(error), elsewhere if error.column is None else f"column-{error.column}"
        except AlreadyDone:
            return redirect(model_admin.page_url("change", pk))
    page = {
        "title": gettext("Match columns"),
        "pending": pending,
        "kind": table.kind,
        "hidden_rows": table.hidden_rows(),
        "encoding": table.encoding,
        "encodings": uploads.encodings_of(pending).items(),
        "region": region,
        "regions": regions.choices().items(),
        **previews.columns_context(table, chosen, proposals.propose(table, by_id=pending.created_by_id)),
        "choices": columns.choices(importer.topics(), importer.fields()).items(),
        "note": note,
        "wrong": wrong,
        "step": 2,
    }
    context = model_admin.page_context(request, page)
    return TemplateResponse(request, "admin/notifier/clientimport/columns.html", context)


def preview_page(model_admin: BackOfficeAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows what the import would do, POST does it."""
    pending = ownership.get_pending(request, pk)
    if pending is None:
        return redirect(model_admin.page_url("change", pk))
    form, note = ImportForm(request.POST if request.method == "POST" else None), ""
    try:
        if form.is_valid():
            return _run(model_admin, request, pending, form)
    except MappingError as error:
        return _to_columns(model_admin, request, pk, error)
    except EvidenceMissing:
        # Said below, as beside every other mistake.
        pass
    except NotAsShown:
        # What somebody else has chosen or changed is shown now, beside the reason that was typed.
        pending, note = ownership.get_own(request, pk), str(NOT_AS_SHOWN)
    try:
        found = uploads.plan(pending=pending, shown=previews.MAX_SHOWN)
    except MappingError as error:
        return _to_columns(model_admin, request, pk, error)
    if form.is_bound and found.adds_consent and not form.cleaned_data.get("evidence", "").strip():
        form.add_error("evidence", HOW_DO_WE_KNOW)
    page = {
        "note": note,
        "title": gettext("Import %(file_name)s?") % {"file_name": pending.file_name},
        "pending": pending,
        "form": form,
        "may_resubscribe": request.user.has_perm(groups.RESUBSCRIBE_CLIENT),
        "step": 3,
        **previews.preview(pending, found),
    }
    context = model_admin.page_context(request, page)
    return TemplateResponse(request, "admin/notifier/clientimport/preview.html", context)


def _to_columns(model_admin: BackOfficeAdmin, request: HttpRequest, pk: int, error: MappingError) -> HttpResponse:
    model_admin.message_user(request, str(error), messages.ERROR)
    return redirect(model_admin.page_url("columns", pk))


def _run(model_admin: BackOfficeAdmin, request: HttpRequest, pending: ClientImport, form: ImportForm) -> HttpResponse:
    """Raises `NotAsShown` where the import would do anything else than what the page showed."""
    by, reason, seen = cast(User, request.user), form.chosen_reason, form.cleaned_data["seen"]
    try:
        done = uploads.carry_out(
            pending=pending, by=by, reason=reason, evidence=form.chosen_evidence, now=clock.now(), seen=seen
        )
    except uploads.ResubscribeNotAllowed as error:
        raise PermissionDenied from error
    except ClientsChanged:
        note = gettext("Nothing was imported: someone changed one of these clients at the same time. Please try again.")
        model_admin.message_user(request, note, messages.WARNING)
        return redirect(model_admin.page_url("preview", pending.pk))
    except AlreadyDone:
        model_admin.message_user(request, gettext("This file has already been imported or discarded."), messages.INFO)
    else:
        level = messages.WARNING if done.counts["failed"] else messages.SUCCESS
        model_admin.message_user(request, previews.sentence(done.counts), level)
    return redirect(model_admin.page_url("change", pending.pk))


def discard_page(model_admin: BackOfficeAdmin, request: HttpRequest, pk: int) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    pending = ownership.get_pending(request, pk)
    if pending is None:
        return redirect(model_admin.page_url("change", pk))
    try:
        uploads.discard(pending=pending, now=clock.now())
    except AlreadyDone:
        return redirect(model_admin.page_url("change", pk))
    text = gettext("%(file_name)s was discarded. Nothing was imported.") % {"file_name": pending.file_name}
    model_admin.message_user(request, text, messages.SUCCESS)
    return redirect("admin:notifier_client_changelist")


def failed_rows_page(model_admin: BackOfficeAdmin, request: HttpRequest, pk: int) -> HttpResponseBase:
    """A file of the rows that an import did not take, or that one which waits would not take."""
    row = ownership.get_own(request, pk)
    if row.state == ClientImport.State.UPLOADED:
        try:
            content = uploads.failed_rows(pending=row)
        except MappingError:
            return redirect(model_admin.page_url("columns", pk))
    elif row.failed_rows:
        content = row.failed_rows.encode()
    else:
        raise Http404(gettext("There are none, or they are no longer available."))
    file_name = lines.one_line(row.file_name)
    name = f"{file_name.rpartition('.')[0] or file_name} - rejected.csv"
    disposition = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return StreamingHttpResponse(iter([content]), content_type="text/csv; charset=utf-8", headers=disposition)
