"""Whether every consent has its evidence: what stands in the preferences is what the last change on record says."""

from notifier.models import Channel, ConsentChange, Preference

Key = tuple[int, int, str]


def unaccounted() -> dict[Key, str]:
    """The (client, topic, channel) for which the two differ, and how. Empty is as it must be."""
    agreed: dict[Key, bool] = {}
    for change in ConsentChange.objects.order_by("at", "pk"):
        key = (change.client_id, change.topic_id, change.channel)
        if agreed.get(key, False) == change.agreed:
            return {key: "is on record as a change that changed nothing"}
        agreed[key] = change.agreed
    for preference in Preference.objects.all():
        for channel in Channel:
            key = (preference.client_id, preference.topic_id, channel.value)
            if agreed.pop(key, False) != getattr(preference, channel.value):
                return {key: "differs from its last change on record"}
    return {key: "is on record, but there is no preference" for key, wish in agreed.items() if wish}
