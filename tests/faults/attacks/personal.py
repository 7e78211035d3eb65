"""A broadcast with placeholders to a saved audience, in several languages, while clients’ records change."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.arena import DISPATCHER, EMAIL, RECOVERY_SECONDS, SHORT_LEASE, SMS, WINDOW, Arena, Patience
from tests.faults.attack import attack
from tests.faults.attacks.audiences import CHUNK, TAG, make_tag, save_audience
from tests.faults.judging.texts import Version

NAME = "Those with much on record"
#: French is none that this product writes in, so whoever has it reads the default.
SETTINGS = {"CLIENT_LANGUAGES": "en,de,es", "EXPAND_CHUNK": str(CHUNK)}
LANGUAGES = ("", "en", "de", "es", "fr")
LAST_NAME = "Arena"
TOWNS = ("Köln", "Łódź", "Bonn & Bad", "São <Tomé>", "Aix")
#: Between thousands, in each language.
MARKS = {"de": ".", "es": "\u00a0"}
DEFAULT = {
    "subject": 'Hi {{ first_name | "there" }}, {{ bedrooms }} homes in {{ town | "your town" }}',
    "email_body": 'Dear {{ first_name | "friend" }},\n\n{{ town | "Your town" }} has {{ bedrooms }} of them, '
    'says {{ branch | "our office" }}, and {{ town | "your town" }} is near.',
    "sms_body": '{{ first_name | "Hello" }}: {{ bedrooms }} in {{ town | "your town" }}, {{ branch | "our office" }}.',
}
#: Spanish has no e-mail: who reads it gets the default one, with numbers as they are written in Spanish.
OTHERS = {
    "de": {
        "subject": '{{ bedrooms }} Zimmer in {{ town | "Ihrem Ort" }}',
        "preheader": "",
        "email_body": 'Guten Tag {{ first_name | "und hallo" }}, {{ branch | "Ihr Makler" }} hat {{ bedrooms }} davon.',
        "sms_body": '{{ town | "Ihr Ort" }}: {{ bedrooms }}. {{ branch | "Ihr Makler" }}',
    },
    "es": {
        "subject": "",
        "preheader": "",
        "email_body": "",
        "sms_body": 'Hola, {{ bedrooms }} en {{ town | "su zona" }}',
    },
}


class OnRecord(NamedTuple):
    """Of one client; what is missing is None."""

    language: str = ""
    has_tag: bool = False
    first_name: str = ""
    town: str | None = None
    bedrooms: int | None = None
    branch: int | None = None

    @property
    def is_member(self) -> bool:
        """As `CONDITIONS` has it, which is read by nobody but the product."""
        starts_so = bool(self.town) and str(self.town).casefold().startswith("bonn")
        return self.has_tag and (self.language == "de" or self.branch in (1, 2) or not starts_so)


def conditions(tag: int, town: int, branch: int) -> dict[str, Any]:
    lines = [
        {"about": "language", "is": "one_of", "values": ["de"]},
        {"about": "field", "id": branch, "is": "one_of", "values": [1, 2]},
        {"about": "field", "id": town, "is": "begins", "values": ["BONN"], "not": True},
    ]
    return {
        "version": 1,
        "join": "all",
        "parts": [{"about": "tag", "id": tag, "is": "has"}, {"join": "any", "lines": lines}],
    }


@dataclass
class Records:
    """What the attack writes of clients, and remembers for the judge."""

    arena: Arena
    #: Column and id of each field of the demo, by its key.
    fields: dict[str, tuple[str, int]]
    branches: dict[int, str]
    tag: int
    versions: dict[int, list[Version]] = field(default_factory=lambda: defaultdict(list))
    #: The broadcast's cursor at each change, and who was in the audience from then on.
    membership: list[tuple[int, dict[int, bool]]] = field(default_factory=list)
    serial: int = 0

    def change(self, clients: list[int], *, broadcast: int = 0) -> None:
        """All of it at once. The broadcast's row is locked first, as for each chunk: none is expanded meanwhile."""
        drawn = {pk: self._draw(pk) for pk in sorted(clients)}
        lock = ("UPDATE notifier_broadcast SET cursor = cursor WHERE id = %s RETURNING cursor", broadcast)
        writes = [write for pk, one in drawn.items() for write in self._writes(pk, one)]
        cursor = self.arena.stack.transaction([lock, *writes])
        self.membership.append((cursor[0][0] if cursor else 0, {pk: one.is_member for pk, one in drawn.items()}))
        now = time.time()
        for pk, one in drawn.items():
            self.versions[pk].append(Version(now, one.language, self._as_read(one)))

    def members(self) -> set[int]:
        """Who was in the audience when their chunk was expanded: by what was on record before the cursor passed."""
        found: dict[int, bool] = {}
        for cursor, changed in self.membership:
            found |= {pk: is_member for pk, is_member in changed.items() if pk > cursor}
        return {pk for pk, is_member in found.items() if is_member}

    def _draw(self, client: int) -> OnRecord:
        """No two are alike, so a text tells which of them it was made of. A tenth of the clients never has a number."""
        dice = self.arena.dice
        self.serial += 1
        return OnRecord(
            language=dice.choice(LANGUAGES),
            has_tag=dice.random() < 0.8,
            first_name=dice.choice(["", f"Ann {self.serial}"]),
            town=dice.choice([None, *(f"{town} {self.serial}" for town in TOWNS)]),
            bedrooms=None if client % 10 == 0 or dice.random() < 0.1 else self.serial * 1_000 + client,
            branch=dice.choice([None, *self.branches]),
        )

    def _writes(self, client: int, one: OnRecord) -> list[tuple[Any, ...]]:
        town, bedrooms, branch = (self.fields[key][0] for key in ("town", "bedrooms", "branch"))
        columns = (town, f"f{town[1:]}", bedrooms, branch)
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
        tagged = (
            "INSERT INTO notifier_clienttag (client_id, tag_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            if one.has_tag
            else "DELETE FROM notifier_clienttag WHERE client_id = %s AND tag_id = %s"
        )
        person = "UPDATE notifier_client SET language = %s, first_name = %s, last_name = %s, name = %s WHERE id = %s"
        values = (
            f"INSERT INTO notifier_clientvalues (client_id, {', '.join(columns)}) VALUES (%s, %s, %s, %s, %s) "
            f"ON CONFLICT (client_id) DO UPDATE SET {changes}"
        )
        folded = one.town.casefold() if one.town else None
        return [
            (person, one.language or None, one.first_name, LAST_NAME, f"{one.first_name} {LAST_NAME}".strip(), client),
            (values, client, one.town, folded, one.bedrooms, one.branch),
            (tagged, client, self.tag),
        ]

    def _as_read(self, one: OnRecord) -> dict[str, str]:
        found = {"first_name": one.first_name, "town": one.town or ""}
        if one.bedrooms is not None:
            found["bedrooms"] = f"{one.bedrooms:,}".replace(",", MARKS.get(one.language, ","))
        if one.branch is not None:
            found["branch"] = self.branches[one.branch]
        return {key: value for key, value in found.items() if value}


@attack(
    25,
    "what is on record of clients changes under a personal broadcast to an audience, and its processes are killed",
    base=SHORT_LEASE | SETTINGS,
)
def change_what_is_said(arena: Arena) -> None:
    everybody = list(range(1, arena.size.clients + 1))
    records = prepare(arena)
    records.change(everybody)
    arena.slow_providers(0.3)

    broadcast = arena.press_ahead("--audience", NAME)
    kill_between_chunks(arena, records, broadcast, everybody)
    arena.hold_to(broadcast, only=records.members())
    arena.start(dispatchers=0)
    kills = kill_while_sending(arena, records, broadcast, everybody)

    arena.wait_for_end()
    arena.remember(broadcast, records.versions)
    found = arena.judge(unknown_at_most=kills * WINDOW)
    arena.demand(found.accepted, "nobody was sent anything")


def kill_between_chunks(arena: Arena, records: Records, broadcast: int, everybody: list[int]) -> None:
    """Each dispatcher ends in the midst of a chunk or after it; the last one does the rest, and issues the tickets."""
    points = ["expand.inserted:1", "expand.committed:1", "expand.inserted:2"]
    for point in arena.dice.sample(points, len(points)):
        arena.hire(DISPATCHER, FAILPOINT=point)
        arena.wait_until(lambda: not arena.crew(DISPATCHER), what="the dispatcher’s end")
        arena.faults[f"kill -9 dispatcher at {point.partition(':')[0]}"] += 1
        records.change(arena.dice.sample(everybody, len(everybody) // 2), broadcast=broadcast)
    arena.hire(DISPATCHER)
    expanded = "SELECT 1 FROM notifier_broadcast WHERE id = %s AND cursor >= audience_upto"
    arena.wait_until(lambda: arena.stack.query(expanded, broadcast), what="the audience")


def kill_while_sending(arena: Arena, records: Records, broadcast: int, everybody: list[int]) -> int:
    """Returns how many consumers were killed. Changes go on until all is sent, or nothing of it is left."""
    kills, patience = 0, Patience(arena, RECOVERY_SECONDS)
    arena.wait_for_crew(EMAIL, SMS)
    while (left := arena.left()) > WINDOW and not patience.is_over(left):
        records.change(arena.dice.sample(everybody, len(everybody) // 2), broadcast=broadcast)
        arena.faults["change of half of the clients"] += 1
        arena.pause(0.3, 1.0)
        if kills < arena.size.faults:
            arena.kill_one(arena.dice.choice([EMAIL, SMS, DISPATCHER]))
            kills += 1
    return kills


def prepare(arena: Arena) -> Records:
    """The audience, the texts, and nothing on record but what the attack writes."""
    query = arena.stack.query
    keys = ("town", "bedrooms", "branch")
    fields = {key: query('SELECT "column", id FROM notifier_clientfield WHERE key = %s', key)[0] for key in keys}
    branches = dict(query("SELECT number, label FROM notifier_fieldoption WHERE field_id = %s", fields["branch"][1]))
    tag = make_tag(arena, TAG)
    save_audience(arena, NAME, conditions(tag, fields["town"][1], fields["branch"][1]))
    query(
        "UPDATE notifier_notification SET subject = %s, preheader = '', email_body = %s, sms_body = %s, variants = %s "
        "WHERE id = %s",
        *(DEFAULT["subject"], DEFAULT["email_body"], DEFAULT["sms_body"], json.dumps(OTHERS), arena.notification),
    )
    return Records(arena, fields, branches, tag)
