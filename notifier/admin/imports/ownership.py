"""Whose file an import is. Others may not open it: it is full of personal data that may not be wanted here."""

from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from notifier.models import ClientImport
from notifier.staff import groups


def may_open(request: HttpRequest, row: ClientImport) -> bool:
    """Whether this user uploaded it, or may do everything, and may import clients."""
    is_own = row.created_by_id == request.user.pk or cast(User, request.user).is_superuser
    return is_own and request.user.has_perm(groups.IMPORT_CLIENT)


def get_own(request: HttpRequest, pk: int) -> ClientImport:
    """Refuses with 404 what is not there, and with 403 what this user may not open."""
    row = ClientImport.objects.select_related("created_by").filter(pk=pk).first()
    if row is None:
        raise Http404
    if not may_open(request, row):
        raise PermissionDenied
    return row


def get_pending(request: HttpRequest, pk: int) -> ClientImport | None:
    """As `get_own`; None where it has been imported or discarded already."""
    row = get_own(request, pk)
    return row if row.state == ClientImport.State.UPLOADED else None
