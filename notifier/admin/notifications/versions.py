"""What an earlier version of a notification says was changed: of what is in other languages, each part by itself."""

from collections.abc import Iterator
from typing import Any

from simple_history.models import ModelChange, ModelDelta
from simple_history.template_utils import HistoricalRecordContextHelper

from notifier.admin.notifications.forms import LABELS
from notifier.languages import offered
from notifier.messages import variants
from notifier.messages.variants import Texts


class ChangesByLanguage(HistoricalRecordContextHelper):
    def context_for_delta_changes(self, delta: ModelDelta) -> list[dict[str, Any]]:
        changes = [change for change in delta.changes if change.field != "variants"]
        shown: list[dict[str, Any]] = [self._context(self.format_delta_change(change)) for change in changes]
        for change in delta.changes:
            if change.field == "variants":
                shown += map(self._context, self._by_part(change))
        return shown

    def _context(self, change: ModelChange) -> dict[str, Any]:
        return {"field": change.field, "old": change.old, "new": change.new}

    def _by_part(self, change: ModelChange) -> Iterator[ModelChange]:
        before, after = variants.read(str(change.old or "")), variants.read(str(change.new or ""))
        for code in sorted({*before, *after}):
            for name, label in LABELS.items():
                old, new = (getattr(texts.get(code, Texts()), name) for texts in (before, after))
                if old != new:
                    old, new = self.stringify_delta_change_values(change, old, new)
                    yield ModelChange(f"{label} ({offered.name(code)})", old, new)
