"""Broadcasts: the progress page, what staff tell one to do, and what comes before the start."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from notifier.broadcasts import acts
from notifier.models import Broadcast
from tests.support.pages.of_model import of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, Rows, at

VIEW: Needs = ("view_broadcast",)
APPROVE: Needs = ("view_broadcast", "approve_broadcast")
CONTROL: Needs = ("view_broadcast", "control_broadcast")
RETRY: Needs = ("view_broadcast", "resolve_delivery")
FOLLOW: Needs = ("view_broadcast", "send_broadcast")
WHY = {"why": "asked"}


def _version(rows: Rows) -> str:
    return acts.version(Broadcast.objects.get(pk=rows["awaiting"]))


def _in_two_days(rows: Rows) -> str:
    return f"{timezone.localtime() + timedelta(days=2):%Y-%m-%dT%H:%M}"


PAGES = [
    *of_model(
        "notifier_broadcast", view=VIEW, sends_on="change", pictures={"changelist": (Picture(name="broadcasts"),)}
    ),
    Page(
        name="notifier_broadcast_progress",
        needs=VIEW,
        opens=(at("{broadcast}"),),
        looks=(
            *(
                at(f"{{{row}}}")
                for row in ("scheduled", "just_sent", "awaiting", "paused", "cancelled", "finished", "rejected")
            ),
            *(at(f"{{{row}}}", query={"wall": "1"}) for row in ("broadcast", "finished")),
        ),
        pictures=(
            Picture(name="progress", docs="progress"),
            Picture(name="wall", at=at("{broadcast}", query={"wall": "1"})),
            Picture(name="progress-finished", at=at("{finished}"), docs="finished"),
            Picture(name="awaiting", at=at("{awaiting}")),
            Picture(name="scheduled", at=at("{scheduled}")),
            Picture(name="just-sent", at=at("{just_sent}")),
        ),
        timed=(at("{finished}"), at("{broadcast}")),
    ),
    Page(name="notifier_broadcast_email_preview", needs=VIEW, kind=Kind.FRAME, opens=(at("{broadcast}"),)),
    Page(
        name="notifier_broadcast_act",
        needs=CONTROL,
        opens=(
            at("{finished}", "retry", label="retry", needs=RETRY),
            at("{scheduled}", "start-now", label="start-now"),
            at("{broadcast}", "cancel", label="cancel"),
        ),
        looks=(at("{broadcast}", "retry", needs=RETRY),),
        posts=(
            Post(at=at("{broadcast}", "pause"), label="pause", data=WHY),
            Post(at=at("{paused}", "resume"), label="resume", data=WHY),
            Post(at=at("{finished}", "retry"), label="retry", data=WHY, needs=RETRY, has_form=True),
            Post(at=at("{scheduled}", "start-now"), label="start-now", data=WHY, has_form=True),
            Post(at=at("{broadcast}", "cancel"), label="cancel", data=WHY),
        ),
        pictures=(
            Picture(name="start-now", at=at("{scheduled}", "start-now")),
            Picture(name="cancel", at=at("{broadcast}", "cancel"), docs="cancel"),
            Picture(name="retry", at=at("{finished}", "retry")),
        ),
    ),
    Page(
        name="notifier_broadcast_undo",
        needs=CONTROL,
        opens=(at(query={"ids": "{scheduled}"}),),
        looks=(at(query={"ids": "{just_sent},{scheduled},{broadcast}"}),),
        posts=(Post(at=at(query={"ids": "{just_sent}"})),),
        pictures=(Picture(name="undo", at=at(query={"ids": "{just_sent},{scheduled}"})),),
    ),
    Page(
        name="notifier_broadcast_approve",
        needs=APPROVE,
        opens=(at("{awaiting}"),),
        posts=(
            Post(at=at("{awaiting}"), label="reject", data={"word": "reject", "why": "too early", "seen": _version}),
            Post(at=at("{awaiting}"), data={"word": "approve", "seen": _version}),
        ),
        pictures=(Picture(name="approve", docs="approve"),),
    ),
    Page(
        name="notifier_broadcast_schedule",
        needs=CONTROL,
        opens=(at("{scheduled}"),),
        posts=(
            Post(
                at=at("{scheduled}"),
                data={"when": "later", "scheduled_for": _in_two_days, "expires_at": ""},
                has_form=True,
            ),
        ),
        pictures=(Picture(name="schedule"),),
    ),
    Page(
        name="notifier_broadcast_follow",
        needs=FOLLOW,
        opens=(at("{finished}"),),
        posts=(Post(at=at("{finished}"), data={"token": lambda rows: str(uuid4())}, has_form=True),),
        pictures=(Picture(name="follow"),),
    ),
    Page(name="notifier_broadcast_follow_count", needs=FOLLOW, kind=Kind.FRAGMENT, opens=(at("{finished}"),)),
    Page(name="try_again", needs=("control_broadcast",), kind=Kind.ACTION, posts=(Post(at=at("email")),)),
]
