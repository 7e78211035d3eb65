"""Users and groups. Nobody gives themselves or others more than they may do."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.staff.user_forms import LABELS, AddUserForm, SetPasswordForm, UserForm
from notifier.forms.phone_fields import PhoneField
from notifier.forms.stale_forms import SeenField, StaleModelForm
from notifier.models import Profile, typed_phones
from notifier.staff import groups, timezones
from notifier.wording.badges import BLANK, badge
from notifier.wording.model_names import NOTHING, one

admin.site.unregister(User)
admin.site.unregister(Group)


def without_apps(field: Any, db_field: Any) -> Any:
    """Labels permissions by what they allow, without the app that they come from."""
    if field and db_field.remote_field.model is Permission:
        field.label_from_instance = what_it_allows
    return field


def what_it_allows(permission: Permission) -> str:
    """In the words that the pages use now: a permission's own name is from when it was created, and never updated."""
    model = permission.content_type.model_class()
    if model is None:
        return permission.name
    action, _, name = permission.codename.partition("_")
    if action in model._meta.default_permissions and name == model._meta.model_name:
        return f"Can {action} {one(model._meta)}"
    return str(dict(model._meta.permissions).get(permission.codename, permission.name))


def named(field_name: str) -> type[admin.BooleanFieldListFilter]:
    """The filter of a field under the name that the form gives it."""

    class Named(admin.BooleanFieldListFilter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = LABELS[field_name].lower()

    return Named


class ProfileForm(StaleModelForm):
    seen = SeenField()
    time_zone = forms.ChoiceField(required=False, choices=timezones.zone_choices)

    class Meta:
        model = Profile
        fields = ("phone", "time_zone")
        field_classes: ClassVar[dict[str, Any]] = {"phone": PhoneField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A reader's form has no fields.
        if phone := self.fields.get("phone"):
            phone.help_text = f"Test SMS are sent here. {typed_phones.how_to_write()}"


class ProfileInline(admin.StackedInline):
    model = Profile
    form = ProfileForm
    can_delete = False
    verbose_name_plural = _("profile")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Of one profile, whatever number was posted: Django would make a thousand forms."""
        return super().get_formset(request, obj, **{"absolute_max": 1, **kwargs})


@admin.register(User)
class UserAdmin(BackOfficeAdmin, StockUserAdmin):
    form = UserForm
    add_form = AddUserForm
    change_password_form = SetPasswordForm
    inlines = (ProfileInline,)
    list_display = ("username", "full_name", "address", "in_groups", "state", "last_in")
    list_filter = (("is_active", named("is_active")), ("is_superuser", named("is_superuser")), "groups")
    ordering = ("username",)
    sortable_by = ("username",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (
            _("Access"),
            {
                "fields": ("is_active", "is_staff", "groups", "is_superuser"),
                "description": "The page of a group lists what it can do. A user in several groups can do what any of "
                "them can.",
            },
        ),
        (_("Individual permissions"), {"fields": ("user_permissions",), "classes": ("collapse",)}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        return users.prefetch_related("groups")

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        # The page that adds a user asks only for a name and a password.
        return self.inlines if obj else ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        # Ticks instead of the stock pair of lists, which nobody can use who does not see it.
        kwargs["widget"] = forms.CheckboxSelectMultiple
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        return without_apps(field, db_field)

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        return user.get_full_name() or NOTHING

    @admin.display(description=_("e-mail"))
    def address(self, user: User) -> str:
        return user.email or NOTHING

    @admin.display(description=_("last log-in"))
    def last_in(self, user: User) -> datetime | None:
        return user.last_login

    @admin.display(description=_("groups"))
    def in_groups(self, user: User) -> SafeString | str:
        names = sorted(group.name for group in user.groups.all())
        return format_html_join(" ", "{}", ((badge(text=name, tone="quiet"),) for name in names)) or NOTHING

    @admin.display(description=_("status"))
    def state(self, user: User) -> SafeString:
        """What is out of the ordinary; blank for a member of staff who may log in."""
        if not user.is_active:
            return badge(text="Can’t log in", tone="bad")
        if user.is_superuser:
            return badge(text="All permissions", tone="warn")
        return BLANK if user.is_staff else badge(text="Not staff", tone="quiet")

    # --- Nobody gives themselves more: who may change users could otherwise make a superuser ---
    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = (*super().get_readonly_fields(request, obj), "last_login", "date_joined")
        if _may_do_everything(request):
            return fields
        # To let somebody in again who was shut out is for superusers, as to give them a right is.
        back_in = ("is_active",) if obj is not None and not obj.is_active else ()
        return (*fields, "is_superuser", "groups", "user_permissions", *back_in)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self._may_touch(request, obj) and super().has_delete_permission(request, obj)

    def _may_touch(self, request: HttpRequest, user: User | None) -> bool:
        """Not somebody who may do more: whoever sets their password gets their rights."""
        if user is None or _may_do_everything(request) or user.pk == request.user.pk:
            return True
        return not user.is_superuser and groups.held_by(user) <= request.user.get_all_permissions()


@admin.register(Group)
class GroupAdmin(BackOfficeAdmin, StockGroupAdmin):
    list_display = ("name", "members")
    sortable_by = ("name",)
    filter_horizontal = ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(db_field, request, widget=forms.CheckboxSelectMultiple, **kwargs)
        return without_apps(field, db_field)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        groups: QuerySet[Group] = super().get_queryset(request)
        return groups.annotate(member_count=Count("user"))

    @admin.display(description=_("members"))
    def members(self, group: Any) -> int:
        return int(group.member_count)

    # A group's permissions are those of its members, so only superusers change groups.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return _may_do_everything(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _may_do_everything(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return _may_do_everything(request) and super().has_delete_permission(request, obj)


def _may_do_everything(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
