"""The page that uploads a file of clients, and the limit of its size."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

from notifier.admin.lists import routing
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.clients.imports import retention, uploads
from notifier.files.base import FileError
from notifier.messages import lines
from notifier.runtime import clock
from notifier.staff import groups
from notifier.web.request_sizes import declared_bytes

#: Beside the file itself a form posts a few hundred bytes.
ENVELOPE_BYTES = 100_000
#: Of a larger upload so much is read and thrown away, so that the browser hears why; then the connection may break.
MAX_DRAINED_BYTES = 100_000_000

View = Callable[..., Any]


def max_bytes() -> int:
    """Of a file. The limit of all uploads holds here too, where it is lower."""
    return min(uploads.MAX_BYTES, settings.UPLOAD_MAX_MB * 1_000_000)


def _too_large() -> str:
    return gettext("The file is larger than %(max_bytes)s MB. See below how to import it.") % {
        "max_bytes": f"{max_bytes() / 1000000:g}"
    }


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        error_messages={"required": _("Choose a file."), "empty": _("The file is empty.")},
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field, most = self.fields["file"], max_bytes()
        field.widget.attrs["data-most-bytes"] = most
        field.help_text = gettext(
            "CSV or Excel (.xlsx), up to %(max_rows)s rows and %(most)s MB. The first row must contain the "
            "column names."
        ) % {"max_rows": f"{uploads.MAX_ROWS:,}", "most": f"{most / 1000000:g}"}

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > max_bytes():
            raise forms.ValidationError(_too_large())
        return file


def upload_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(groups.IMPORT_CLIENT):
        raise PermissionDenied
    retention.purge(now=clock.now())
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            name, by = lines.one_line(file.name), cast(User, request.user)
            made = uploads.upload(file=file, name=name, by=by, now=clock.now())
            return redirect(model_admin.page_url("columns", made.pk))
        except FileError as error:
            form.add_error("file", str(error))
    page = {"title": gettext("Import clients"), "form": form, "most_rows": uploads.MAX_ROWS, "step": 1}
    context = model_admin.page_context(request, page)
    return TemplateResponse(request, "admin/notifier/clientimport/upload.html", context)


def upload_route(model_admin: BackOfficeAdmin) -> URLPattern:
    """The route to `upload_page`, with the limit of size around everything else."""

    def refuse(request: HttpRequest) -> HttpResponse:
        model_admin.message_user(request, _too_large(), messages.ERROR)
        return redirect(model_admin.page_url("upload"))

    pattern = routing.page(model_admin, upload_page, name="upload", route="upload/")
    return path("upload/", limit_size(pattern.callback, refuse=refuse), name=pattern.name)


def limit_size(view: View, *, refuse: Callable[[HttpRequest], HttpResponse]) -> View:
    """Refuses a larger upload by the length that it declares, before it is read.

    The check of the CSRF token reads all of the upload, so this stands around that check, and `view` has to make it.
    """

    @csrf_exempt
    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if (declared_bytes(request) or 0) <= max_bytes() + ENVELOPE_BYTES:
            return view(request, *args, **kwargs)
        drained = 0
        while request.user.is_authenticated and drained < MAX_DRAINED_BYTES and (piece := request.read(65_536)):
            drained += len(piece)
        return refuse(request)

    # Tells the limit of all requests that this page refuses a larger upload itself.
    limited.refuses_what_is_too_large = True  # type: ignore[attr-defined]
    return limited
