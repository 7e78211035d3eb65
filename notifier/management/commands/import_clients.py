import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier.clients.imports import columns, contents, importer, uploads
from notifier.clients.imports.columns import MappingError, TopicRef
from notifier.clients.imports.writing import ClientsChanged, ImportOrigin
from notifier.fields.definitions import Definitions
from notifier.files import encodings
from notifier.files.base import IN_COMMAND, FileError, Table
from notifier.files.encodings import EncodingUnknown
from notifier.files.reader import open_table
from notifier.messages import lines
from notifier.models import ConsentChange
from notifier.runtime import clock
from notifier.staff import groups
from notifier.wording import numbers

#: Exit status: some rows were not taken; nothing was imported.
SOME_FAILED, NOTHING_DONE = 1, 2
BAR_WIDTH = 30
#: Between two lines where nobody watches a bar.
LINE_SECONDS = 5.0
BAR_SECONDS = 0.1
HOW_DO_WE_KNOW = (
    "The file adds consents. Say how we know that they agreed, for example --evidence “signed the form at the fair”. "
    "It is recorded with each of these consents."
)
#: What is told beside the counts.
NOTES = {
    "withdrawn": "withdrew consent in rejected rows: that is applied, and nothing else in those rows.",
    "kept_out": "of them had opted out before: that consent stays off.",
    "unclear": "of them agreed to something that an unreadable cell in another row may refuse: that is unchanged.",
    "resubscribed": "of them had opted out before, and are subscribed again.",
    "archived": "of them are archived and stay archived: nothing is sent to them.",
    "suppressed": "of them have a suppressed address: nothing is sent to it.",
    "landlines": "of them have a landline number: no SMS is sent to it.",
}


class Command(BaseCommand):
    help = (
        "Imports clients and their preferences from a CSV or XLSX file of any size, like the page does. "
        "Exit status: 0 all rows were imported; 1 some rows were rejected; 2 nothing was imported."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=MEANING",
            help="what a column contains, if its name is not recognised: name, first_name, last_name, email, phone, "
            "language, time_zone, tags, field:KEY, TOPIC.email, TOPIC.sms, TOPIC.both, or nothing to leave it out; can "
            "be repeated",
        )
        parser.add_argument(
            "--encoding",
            choices=encodings.CHOICES,
            default="",
            help="the encoding of a text file that is not UTF-8, if it can’t be detected",
        )
        parser.add_argument("--dry-run", action="store_true", help="check everything and import nothing")
        parser.add_argument(
            "--failed-rows", type=Path, metavar="FILE", help="where rejected rows are written (FILE.failed.csv)"
        )
        parser.add_argument(
            "--user",
            metavar="NAME",
            help="the staff user this is done for, for the record; new tags are added only if they may add tags",
        )
        parser.add_argument(
            "--resubscribe",
            action="store_true",
            help="subscribe clients again who had opted out; needs --reason and --user",
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="the reason, recorded with each consent")
        parser.add_argument(
            "--evidence",
            default="",
            metavar="TEXT",
            help="how we know that they agreed, recorded with each consent; required if the file adds a consent",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        failed_rows = options["failed_rows"] or path.with_suffix(".failed.csv")
        if failed_rows.resolve() == path.resolve():
            raise _nothing("--failed-rows is the file itself, which would be overwritten. Choose another name.")
        origin = _origin(path, options)
        try:
            with path.open("rb") as file:
                table = open_table(file, limits=IN_COMMAND, encoding=options["encoding"])
                self._import(table, origin, options["map"], failed_rows, dry_run=options["dry_run"])
        except OSError as error:
            raise _nothing(f"{error.filename or path}: {error.strerror or error}.") from error
        except EncodingUnknown as error:
            raise _nothing(f"{error} Use --encoding with one of {', '.join(encodings.CHOICES)}.") from error
        except (FileError, MappingError) as error:
            raise _nothing(str(error)) from error
        except ClientsChanged as error:
            raise _nothing("Someone changed one of these clients at the same time. Run it again.") from error

    def _import(self, table: Table, origin: ImportOrigin, maps: list[str], failed_rows: Path, *, dry_run: bool) -> None:
        topics, fields = importer.topics(), importer.fields()
        mapping = _mapping(table, maps, topics, fields)
        layout = columns.arrange(list(mapping.values()), topics, fields, region=settings.PHONE_DEFAULT_REGION)
        self._tell_mapping(table, mapping, columns.choices(topics, fields))
        by = User.objects.filter(pk=origin.by).first() if origin.by else None
        adds_tags = uploads.adds_tags(layout, by)
        meter = _Meter(self.stderr, table)
        began = time.monotonic()
        job: Any = (
            importer.check(
                table=table,
                layout=layout,
                resubscribes=bool(origin.reason),
                progress=meter.show,
                adds_tags=adds_tags,
            )
            if dry_run
            else importer.run(
                table=table,
                layout=layout,
                origin=origin,
                now=clock.now(),
                progress=meter.show,
                adds_tags=adds_tags,
            )
        )
        with job as done:
            meter.end()
            counts = done.counts
            if not (dry_run or origin.evidence) and done.stage.adds_consent():
                raise _nothing(HOW_DO_WE_KNOW)
            if counts["failed"]:
                # Before the end of the transaction: with no room for this file nothing is imported either.
                _write(failed_rows, importer.refused_csv(table, done.refused()))
            if not dry_run:
                uploads.record(origin=origin, mapping=mapping, counts=counts, now=clock.now())
        if hidden := table.hidden_rows():
            self.stderr.write(
                f"Included although hidden in the sheet, for example by a filter: {numbers.counted(hidden, 'row')}."
            )
        self._tell(counts, seconds=time.monotonic() - began, dry_run=dry_run)
        if counts["failed"]:
            self.stdout.write(
                f"{numbers.counted(counts['failed'], 'row')} rejected and written to {failed_rows} with the "
                "reason. Fix them there, and import that file."
            )
            # Not an error of the command: what could be taken was.
            sys.exit(SOME_FAILED)

    def _tell_mapping(self, table: Table, mapping: Mapping[str, str], labels: Mapping[str, str]) -> None:
        self.stderr.write(f"{table.kind}.")
        for name, meaning in mapping.items():
            self.stderr.write(f"  {name} → {labels[meaning]}")

    def _tell(self, counts: Mapping[str, int], *, seconds: float, dry_run: bool) -> None:
        rate = counts["rows"] / max(seconds, 0.001)
        done = "Dry run: nothing was imported. It would have" if dry_run else "Imported. It has"
        lost = counts["lost"]
        if lost:
            done = f"{numbers.counted(lost, 'opt-out')} could not be applied (see below). {done}"
        self.stdout.write(
            f"{done} {counts['added']:,} added, {counts['changed']:,} changed, {counts['unchanged']:,} unchanged, "
            f"{counts['failed']:,} rejected: {numbers.counted(counts['rows'], 'row')} in {seconds:.1f} s "
            f"({rate:,.0f} per second)."
        )
        if lost:
            self.stdout.write(
                f"{numbers.counted(lost, 'rejected row says', 'rejected rows say')} no, and it is not clear whose no "
                "it is. These come first in the file of rejected rows: correct them and import that file, or turn the "
                "consent off on the client’s page."
            )
        for name, words in NOTES.items():
            if counts[name]:
                self.stdout.write(f"{counts[name]:,} {words}")


def _origin(path: Path, options: Mapping[str, Any]) -> ImportOrigin:
    user = _user(options["user"]) if options["user"] else None
    reason = options["reason"].strip()
    if options["resubscribe"]:
        if not reason:
            raise _nothing("--resubscribe needs --reason, which is recorded with each consent.")
        if user is None or not user.has_perm(groups.RESUBSCRIBE_CLIENT):
            raise _nothing("--resubscribe needs --user, with permission to subscribe clients again who had opted out.")
    elif reason:
        raise _nothing("--reason only makes sense with --resubscribe.")
    return ImportOrigin(
        file_name=lines.one_line(path.name)[-uploads.MAX_NAME_LETTERS :],
        source=ConsentChange.Source.IMPORT,
        by=user.pk if user else None,
        reason=lines.one_line(reason)[: uploads.MAX_REASON_LETTERS],
        evidence=lines.one_line(options["evidence"]).strip()[: uploads.MAX_REASON_LETTERS],
    )


def _user(name: str) -> User:
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise _nothing(f"There is no active user {name}.")
    if not user.has_perm(groups.IMPORT_CLIENT):
        raise _nothing(f"{name} doesn’t have permission to import clients.")
    return user


def _mapping(table: Table, maps: Sequence[str], topics: Sequence[TopicRef], fields: Definitions) -> dict[str, str]:
    named = columns.guess(table.header, topics, fields)
    sampled = contents.sample(table)
    guessed = contents.complete(named, table.header, sampled, region=settings.PHONE_DEFAULT_REGION, fields=fields)
    mapping = dict(zip(table.header, guessed, strict=True))
    for pair in maps:
        name, equals, meaning = pair.rpartition("=")
        if not equals or name not in mapping:
            known = ", ".join(table.header)
            raise _nothing(f"--map {pair}: write COLUMN=MEANING. The columns are: {known}.")
        mapping[name] = meaning.strip()
    return mapping


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    """Whole or not at all, and for nobody else's eyes: it is full of addresses."""
    half = path.with_name(f"{path.name}.part")
    try:
        with open(half, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines(pieces)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _nothing(why: str) -> CommandError:
    return CommandError(f"Nothing was imported. {why}", returncode=NOTHING_DONE)


class _Meter:
    """A bar for whoever watches, and otherwise a line every few seconds."""

    def __init__(self, stderr: Any, table: Table) -> None:
        self._stderr = stderr
        self._table = table
        self._watched = stderr.isatty()
        self._began = self._shown_at = time.monotonic()

    def show(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._shown_at < (BAR_SECONDS if self._watched else LINE_SECONDS):
            return
        self._shown_at = now
        self._say(f"{numbers.counted(rows, 'row')} read, {rows / (now - self._began):,.0f} per second")

    def end(self) -> None:
        if self._watched:
            self._say("all rows read and compared")
            self._stderr.write("")

    def _say(self, text: str) -> None:
        if not self._watched:
            self._stderr.write(text)
            return
        share = self._table.share()
        bar = "" if share is None else f"[{'#' * int(BAR_WIDTH * share):.<{BAR_WIDTH}}] {share:4.0%} "
        self._stderr.write(f"\r{bar}{text:<50}", ending="")
