"""The addresses that are never written to."""

import re

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from notifier.admin.base import BackOfficeAdmin
from notifier.admin.finding import begins, phone_prefix
from notifier.models import Suppression


@admin.register(Suppression)
class SuppressionAdmin(BackOfficeAdmin):
    list_display = ("address", "channel", "reason", "created_at")
    list_filter = ("channel",)
    search_fields = ("address__startswith",)
    search_help_text = "The beginning of an e-mail address, or of a phone number such as +44 20."
    ordering = ("-pk",)
    readonly_fields = ("created_at",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        is_phone = re.match(r"[+(\d]", term) and "@" not in term
        prefix = phone_prefix(term) if is_phone else term
        return queryset.filter(begins("address", prefix)), False
