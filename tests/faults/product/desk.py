"""A member of staff who does to clients what the back office does, by the product's own services.

    python -m tests.faults.product.desk

Reads an order a line, `["erased", [4, 7], 1]`: what, to which clients, and about which topic. Answers each with a line
of pairs: the client, and the time by which it held for them. Started by attacks/people.py, in its arena's environment.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import django

if __name__ == "__main__":
    django.setup()

from notifier.clients import archiving, erasure, names
from notifier.consent import consents, suppressions
from notifier.consent.consents import Origin
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Client, ConsentChange, Topic
from notifier.runtime import clock

ORIGIN = Origin(ConsentChange.Source.STAFF, detail="an attack")
#: So long somebody may be in the midst of being sent something, one window after the other, and can't be erased.
BUSY_SECONDS = 600.0

#: For each client the seconds since 1970 by which it held.
Done = Mapping[int, float]


def archive(ids: Sequence[int], topic: Topic) -> Done:
    archiving.archive(clients=Client.objects.filter(pk__in=ids), by=None, now=clock.now())
    return dict.fromkeys(ids, time.time())


def erase(ids: Sequence[int], topic: Topic) -> Done:
    """Whoever is being sent something at this moment gets their turn once more."""
    waiting, done, ends_at = deque(ids), {}, time.monotonic() + BUSY_SECONDS
    while waiting:
        client = waiting.popleft()
        try:
            erasure.erase(client_id=client, by=None, why="an attack", now=clock.now())
        except erasure.NotErased:
            if time.monotonic() > ends_at:
                raise
            waiting.append(client)
            time.sleep(0.02)
        else:
            done[client] = time.time()
    return done


def one_by_one(change: Callable[[Client, Topic], object]) -> Callable[[Sequence[int], Topic], Done]:
    def run(ids: Sequence[int], topic: Topic) -> Done:
        done = {}
        for client in Client.objects.filter(pk__in=ids).order_by("pk"):
            change(client, topic)
            done[client.pk] = time.time()
        return done

    return run


def give_other_addresses(client: Client, topic: Topic) -> None:
    names.rename(client, first_name="Renamed", last_name=str(client.pk))
    client.email = client.email and f"moved-{client.pk}@example.com"
    client.phone = client.phone and f"+4474{client.pk:08}"
    client.full_clean()
    client.save()


def opt_out(*channels: Channel) -> Callable[[Client, Topic], object]:
    wants = dict.fromkeys(channels, False)
    return lambda client, topic: consents.change(
        client=client, topic=topic, wants=wants, origin=ORIGIN, now=clock.now()
    )


def suppress(client: Client, topic: Topic) -> None:
    evidence = Evidence(Source.STAFF, "they asked")
    for channel, address in ((Channel.EMAIL, client.email), (Channel.SMS, client.phone)):
        if address:
            suppressions.suppress(channel=channel, address=str(address), evidence=evidence, now=clock.now())


def add(ids: Sequence[int], topic: Topic) -> Done:
    for pk in ids:
        client = Client(pk=pk, name="late", email=f"late-{pk}@example.com")
        client.full_clean()
        client.save(force_insert=True)
        consents.change(client=client, topic=topic, wants={Channel.EMAIL: True}, origin=ORIGIN, now=clock.now())
    return dict.fromkeys(ids, time.time())


ORDERS: dict[str, Callable[[Sequence[int], Topic], Done]] = {
    "archived": archive,
    "erased": erase,
    "given other addresses": one_by_one(give_other_addresses),
    "opted out": one_by_one(opt_out(*Channel)),
    "opted out of e-mail": one_by_one(opt_out(Channel.EMAIL)),
    "suppressed": one_by_one(suppress),
    "added": add,
}


def main() -> None:
    for line in sys.stdin:
        name, ids, topic = json.loads(line)
        done = ORDERS[name](ids, Topic.objects.get(pk=topic))
        print(json.dumps(list(done.items())), flush=True)


if __name__ == "__main__":
    main()
