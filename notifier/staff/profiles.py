"""What members of staff may change about themselves."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from phonenumber_field.phonenumber import PhoneNumber

from notifier.models import Profile


def lock(*, user: User) -> None:
    """Keeps everybody else from the user until the caller's transaction ends."""
    User.objects.select_for_update().get(pk=user.pk)


def change(*, user: User, names: tuple[str, str], email: str, phone: PhoneNumber | None, time_zone: str) -> None:
    """Writes the first and the last name, the e-mail address, and the profile, or none of it."""
    with transaction.atomic():
        # Only these columns: somebody else may change the rights or the password at this moment.
        User.objects.filter(pk=user.pk).update(first_name=names[0], last_name=names[1], email=email)
        Profile.objects.update_or_create(user=user, defaults={"phone": phone or None, "time_zone": time_zone})


def profile_of(user: User) -> Profile:
    """The user's profile; an empty, unsaved one where there is none."""
    try:
        profile: Profile = user.profile
    except Profile.DoesNotExist:
        return Profile(user=user)
    return profile


# --- The client list --------------------------------------------------------------------------------------------------
def client_columns(user: User) -> list[int | str] | None:
    """Which fields, by their ids, and whether "tags" the user's client list shows; None where they never chose."""
    found: list[int | str] | None = Profile.objects.filter(user=user).values_list("client_columns", flat=True).first()
    return found if isinstance(found, list) else None


def set_client_columns(*, user: User, columns: Sequence[int | str] | None) -> None:
    """None: what everybody sees who never chose."""
    kept = None if columns is None else list(columns)
    Profile.objects.update_or_create(user=user, defaults={"client_columns": kept})
