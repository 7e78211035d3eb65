"""The back office. One module per area; each page is thin: permission, confirmation, one service call, redirect."""

from notifier.admin import (
    access,
    broadcasts,
    clients,
    deliveries,
    imports,
    inbox,
    notifications,
    operations,
    recovery,
    suppressions,
    throttles,
    topics,
)

__all__ = [
    "access",
    "broadcasts",
    "clients",
    "deliveries",
    "imports",
    "inbox",
    "notifications",
    "operations",
    "recovery",
    "suppressions",
    "throttles",
    "topics",
]
