"""The back office. One module per area; each page is thin: permission, confirmation, one service call, redirect."""

from notifier.admin import broadcasts, clients, deliveries, imports, notifications, operations, recovery

__all__ = ["broadcasts", "clients", "deliveries", "imports", "notifications", "operations", "recovery"]
