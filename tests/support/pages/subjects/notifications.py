"""Topics, notifications, and the way from a text to the press of Send."""

from tests.support.pages.of_model import action, of_model
from tests.support.pages.page import Kind, Needs, Page, Picture, Post, at
from tests.support.pages.steps import choose_a_time, look_at_the_phone, wait_for_the_preview

WRITE: Needs = ("view_notification", "change_notification")
SEND: Needs = ("send_broadcast",)
#: What the form of a notification posts while it is written.
DRAFT = {"topic": "{topic}", "subject": "Draft", "email_body": "Hello {{ name }}", "sms_body": "Hello"}
SPARE = at(query={"ids": "{spare_notification}"})
#: What the bench looks for: one client or nobody, and what a tenth of them or all have, in every way that finds them.
TERMS = (
    *("Ann Example 12345", "asa example 99", "Ann", "asa", "e a", "a", "zzz"),
    *("client12345@", "client12345", "client1", "zzz@"),
    *("+99900012345", "00999 (000) 123-45", "+999", "1"),
    *("#12345", "week 3"),
)

PAGES = [
    *of_model(
        "notifier_topic",
        view=("view_topic",),
        add=("add_topic",),
        change=("change_topic",),
        delete=("delete_topic",),
        added={"name": "New", "slug": "new"},
        changed={"name": "Renamed"},
        row_to_delete="spare_topic",
        pictures={"changelist": (Picture(name="topics"),)},
    ),
    *of_model(
        "notifier_notification",
        view=("view_notification",),
        add=("add_notification",),
        change=("change_notification",),
        delete=("delete_notification",),
        added={"topic": "{topic}", "subject": "New", "email_body": "Text"},
        changed={"subject": "Changed"},
        row_to_delete="spare_notification",
        writes=("add", "change", "history"),
        actions=[
            action(
                "broadcast_selected",
                "notification",
                ("view_notification", *SEND),
                leads_to="notifier_notification_broadcast",
            )
        ],
        pictures={
            "changelist": (Picture(name="notifications"),),
            "add": (Picture(name="notification-add", prepare=wait_for_the_preview),),
            "change": (
                Picture(name="notification", prepare=wait_for_the_preview, docs="writing"),
                Picture(name="notification-preview", prepare=look_at_the_phone, docs="preview", docs_from=".preview"),
            ),
            "history": (Picture(name="notification-history"),),
        },
    ),
    Page(
        name="autocomplete",
        needs=("view_topic",),
        kind=Kind.FRAGMENT,
        opens=(at(query={"app_label": "notifier", "model_name": "notification", "field_name": "topic"}),),
    ),
    Page(
        name="notifier_notification_broadcast",
        needs=SEND,
        opens=(SPARE,),
        looks=(at(query={"ids": "{notification}"}),),
        posts=(Post(at=SPARE, has_form=True),),
        pictures=(
            Picture(name="confirm", docs="confirm"),
            Picture(name="confirm-later", prepare=choose_a_time, docs="when", docs_from=".last-step"),
            Picture(
                name="confirm-audience",
                at=at(query={"ids": "{spare_notification}", "audience": "{savedaudience}"}),
                docs="confirm-audience",
            ),
            Picture(name="confirm-again", at=at(query={"ids": "{notification}"})),
        ),
        timed=(at(query={"ids": "{newest_notification}"}), at(query={"ids": "{five_notifications}"})),
    ),
    Page(name="notifier_notification_email_preview", needs=SEND, kind=Kind.FRAME, opens=(at("{spare_notification}"),)),
    # The checks look at the form around it.
    Page(
        name="notifier_notification_preview",
        needs=("view_notification",),
        kind=Kind.FRAME,
        opens=(at(query={"notification": "{notification}"}),),
        posts=(Post(needs=WRITE, data=DRAFT, answers=True, changes=False),),
        timed=(
            at(query={"notification": "{newest_notification}"}),
            at(query={"notification": "{newest_notification}", "reader": "{newest_client}"}),
        ),
    ),
    Page(
        name="notifier_notification_check",
        needs=WRITE,
        kind=Kind.ACTION,
        posts=(Post(data=DRAFT, answers=True, changes=False),),
    ),
    Page(
        name="notifier_notification_keep",
        needs=WRITE,
        kind=Kind.ACTION,
        posts=(Post(data={**DRAFT, "notification": "{notification}"}, answers=True),),
    ),
    Page(
        name="notifier_notification_discard",
        needs=WRITE,
        kind=Kind.ACTION,
        posts=(Post(data={"notification": "{spare_notification}"}),),
    ),
    Page(
        name="notifier_notification_readers",
        needs=("view_client",),
        kind=Kind.FRAGMENT,
        opens=(at(query={"reader": "Ann"}),),
        timed=tuple(at(query={"reader": term}) for term in TERMS),
    ),
    Page(
        name="notifier_notification_hard_readers",
        needs=("view_notification", "view_client"),
        kind=Kind.FRAME,
        opens=(at(query={"notification": "{notification}"}),),
        posts=(Post(needs=(*WRITE, "view_client"), data=DRAFT, answers=True, changes=False),),
        timed=(at(query={"notification": "{newest_notification}"}),),
    ),
    Page(
        name="notifier_notification_pictures",
        needs=("change_notification", "view_picture"),
        kind=Kind.FRAGMENT,
        opens=(at(),),
    ),
    Page(
        name="notifier_notification_test",
        needs=WRITE,
        kind=Kind.ACTION,
        posts=tuple(Post(at=at(channel), label=channel, data=DRAFT, answers=True) for channel in ("email", "sms")),
    ),
    Page(
        name="notifier_notification_duplicate",
        needs=("view_notification", "add_notification"),
        kind=Kind.ACTION,
        posts=(Post(at=at("{notification}")),),
    ),
    Page(
        name="notifier_notification_simple_history",
        needs=("view_notification",),
        shows_placeholders=True,
        opens=(at("{notification}", "{version}"),),
        posts=(Post(at=at("{notification}", "{version}"), needs=WRITE, has_form=True),),
    ),
]
