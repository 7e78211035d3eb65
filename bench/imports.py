"""How fast `import_clients` takes clean rows of a file, by the wall: the first file into an empty database.

Settings come from the environment; bench/__main__.py makes it.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    rows = json.loads(sys.argv[1])["rows"]
    manage("migrate", "--verbosity", "0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clients.csv"
        write(file, rows=rows)
        began = time.monotonic()
        said = manage("import_clients", str(file), "--evidence", "bench")
        seconds = time.monotonic() - began
    print(f"import of {rows:,} clean rows: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, the command's start included")
    print(f"load average {os.getloadavg()[0]:.1f}. {said.strip().splitlines()[-1]}")


def write(file: Path, *, rows: int) -> None:
    """Each with a name, both addresses and both consents to one topic."""
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["name", "email", "phone", "Listings"])
        for number in range(rows):
            writer.writerow([f"Ann Example {number}", f"import{number}@example.com", f"+4479{number:08d}", "both"])


def manage(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
