"""What every member of staff has, and what Django brings along."""

from tests.support.pages.page import STAFF, Kind, Page, Picture, Post, at

PASSWORDS = {"old_password": "secret", "new_password1": "Zq8w-Yt5Rn", "new_password2": "Zq8w-Yt5Rn"}

PAGES = [
    Page(name="index", needs=STAFF, opens=(at(),), pictures=(Picture(name="overview", docs="overview"),)),
    Page(name="app_list", needs=STAFF, kind=Kind.REDIRECT, opens=(at("notifier"),)),
    Page(
        name="account",
        needs=STAFF,
        opens=(at(),),
        posts=(Post(data={"first_name": "Renamed", "time_zone": "Europe/Vienna"}, has_form=True),),
        pictures=(Picture(name="account"),),
    ),
    Page(
        name="password_change",
        needs=STAFF,
        opens=(at(),),
        posts=(Post(data=PASSWORDS),),
        pictures=(Picture(name="password"),),
    ),
    Page(name="password_change_done", needs=STAFF, opens=(at(),)),
    # Looked at before anybody has logged in.
    *(Page(name=name, kind=Kind.STOCK) for name in ("login", "logout", "jsi18n", "view_on_site")),
]
