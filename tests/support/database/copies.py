"""The tests' own databases in a whole run: copies of one that the run migrates once, and not each worker anew."""

import os
from pathlib import Path
from typing import Any

from tests.support.servers import shared
from tests.support.servers.stack import Stack


def are_worth_it() -> bool:
    """Outside a whole run there is one database, which is made sooner than a process that would make another."""
    return shared.FOLDER in os.environ


def make(settings: dict[str, Any], *, folder: Path) -> None:
    """Puts a migrated database where Django will look for that of the tests, by its `settings`, to be kept as it is."""
    test = settings["TEST"]
    if "sqlite" in settings["ENGINE"]:
        url = f"sqlite:///{test['NAME']}"
    else:
        test["NAME"] = test["NAME"] or f"test_{settings['NAME']}"
        url = f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{test['NAME']}"
    Stack(folder=folder, database_url=url).prepare()
    # Nothing is left for the migrations to do, and to find that out takes them a second.
    test["MIGRATE"] = False
