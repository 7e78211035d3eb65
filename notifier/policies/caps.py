"""Which messages count towards a client's frequency cap. The claim itself has the same in SQL: `delivery.claim_sql`."""

from datetime import datetime

from django.db.models import Q

from notifier.models import Delivery

State = Delivery.State


def counted(*, since: datetime) -> Q:
    """Condition of deliveries: it was sent since then, may have been, or is being sent."""
    return Q(state__in=[State.SENT, State.UNKNOWN], settled_at__gt=since) | Q(state=State.SENDING)
