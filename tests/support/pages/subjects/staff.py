"""Who works here: users, groups, and their log-ins."""

from tests.support.pages.of_model import action, of_model
from tests.support.pages.page import Page, Picture, Post, at

PAGES = [
    *of_model(
        "auth_user",
        view=("auth.view_user",),
        add=("auth.add_user", "auth.change_user"),
        change=("auth.change_user",),
        delete=("auth.delete_user",),
        added={"username": "new", "password1": "Zq8w-Yt5Rn_7", "password2": "Zq8w-Yt5Rn_7"},
        changed={"first_name": "Renamed"},
        row_to_delete="spare_user",
        # Somebody whose deeds are on record can't be deleted.
        looks={"delete": (at("{user}"),)},
        pictures={"changelist": (Picture(name="users"),), "change": (Picture(name="user"),)},
    ),
    Page(
        name="auth_user_password_change",
        needs=("auth.change_user",),
        opens=(at("{user}"),),
        posts=(
            Post(
                at=at("{user}"),
                data={"password1": "Zq8w-Yt5Rn", "password2": "Zq8w-Yt5Rn", "set-password": "1"},
                has_form=True,
            ),
        ),
    ),
    *of_model(
        "auth_group",
        view=("auth.view_group",),
        add=("auth.add_group",),
        change=("auth.change_group",),
        delete=("auth.delete_group",),
        added={"name": "New"},
        changed={"name": "Renamed"},
        pictures={"changelist": (Picture(name="groups"),), "add": (Picture(name="group-add"),)},
    ),
    *of_model(
        "axes_accessattempt",
        view=("axes.view_accessattempt",),
        delete=("axes.delete_accessattempt",),
        actions=[action("unlock", "accessattempt", ("axes.view_accessattempt", "axes.delete_accessattempt"))],
        pictures={"changelist": (Picture(name="failed-log-ins"),)},
    ),
    *of_model("axes_accesslog", view=("axes.view_accesslog",), pictures={"changelist": (Picture(name="log-ins"),)}),
]
