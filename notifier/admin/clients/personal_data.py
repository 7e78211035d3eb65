"""The file with everything that is kept about one client or more, as they may ask for it."""

import json
from typing import cast

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from notifier.clients import record_file
from notifier.models import Client
from notifier.runtime import clock


def file_response(request: HttpRequest, clients: QuerySet[Client]) -> HttpResponse:
    """JSON, or plain text where the form says so. Who exported it is added to each client's log."""
    chosen = list(clients.prefetch_related(None).order_by("pk"))
    found = [record_file.full_record(client=client, now=clock.now()) for client in chosen]
    LogEntry.objects.log_actions(cast(User, request.user).pk, chosen, CHANGE, "Exported the data held.")
    name = f"client-{chosen[0].pk}" if len(chosen) == 1 else f"{len(chosen)}-clients"
    if request.POST.get("as") == "txt":
        name, media, text = f"{name}.txt", "text/plain", "\n\n".join(map(record_file.as_text, found))
    else:
        name, media, text = f"{name}.json", "application/json", json.dumps(found, indent=2, ensure_ascii=False)
    response = HttpResponse(text, content_type=f"{media}; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response
