"""How fast `import_clients` takes clean rows of a file, by the wall: the first file into an empty database; and then
the same file of other clients with a column for each of eight fields that staff defined.

Settings come from the environment; bench/__main__.py makes it.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import django

PROJECT = Path(__file__).resolve().parent.parent
OPTIONS = ("North", "East", "South", "West")
#: By label: the kind, and the cell of a row.
FIELDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "City": ("TEXT", lambda number: f"City {number % 1000}"),
    "Reference": ("TEXT", lambda number: f"R-{number:07d}"),
    "Orders": ("WHOLE", lambda number: str(number % 97)),
    "Balance": ("MONEY", lambda number: f"{number * 7919 % 1000000 / 100:.2f}"),
    "Last visit": ("DATE", lambda number: f"20{number % 26:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}"),
    "Member": ("YES_NO", lambda number: ("yes", "no")[number % 2]),
    "District": ("CHOICE", lambda number: OPTIONS[number % 4]),
    "Interests": ("CHOICES", lambda number: "; ".join(OPTIONS[: number % 4 + 1])),
}


def main() -> None:
    rows = json.loads(sys.argv[1])["rows"]
    manage("migrate", "--verbosity", "0")
    django.setup()
    _define_fields()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clients.csv"
        for first, words, more in ((0, "", {}), (rows, ", with eight fields", FIELDS)):
            write(file, rows=rows, first=first, more=more)
            began = time.monotonic()
            said = manage("import_clients", str(file), "--evidence", "bench")
            seconds = time.monotonic() - began
            print(
                f"import of {rows:,} clean rows{words}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, the command's "
                "start included"
            )
            print(f"load average {os.getloadavg()[0]:.1f}. {said.strip().splitlines()[-1]}")


def _define_fields() -> None:
    # Models are there only once Django is set up.
    from notifier.fields import definitions
    from notifier.models import ClientField
    from notifier.runtime import clock

    for label, (kind, _) in FIELDS.items():
        field = ClientField(
            label=label, key=definitions.suggested_key(label), kind=kind, currency="EUR" if kind == "MONEY" else ""
        )
        definitions.save(field)
        if field.is_chosen:
            options = [definitions.OptionChange(None, option) for option in OPTIONS]
            definitions.set_options(field=field, options=options, now=clock.now())


def write(file: Path, *, rows: int, first: int, more: Mapping[str, tuple[str, Callable[[int], str]]]) -> None:
    """Each with a name, both addresses and both consents to one topic. `more`: other columns, with their cells."""
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["name", "email", "phone", "Listings", *more])
        for number in range(first, first + rows):
            cells = [f"Ann Example {number}", f"import{number}@example.com", f"+4479{number:08d}", "both"]
            writer.writerow([*cells, *(cell(number) for _, cell in more.values())])


def manage(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
