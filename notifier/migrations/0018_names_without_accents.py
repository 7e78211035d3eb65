# ruff: noqa: S608 - what is put into SQL as text stands in this file
"""What finds clients by their names without accents: `notifier.clients.name_search` says by which rule.

PostgreSQL gets a function and an index of what it returns. SQLite gets a full-text index of folded names, which
triggers keep: they know built-in functions alone, so that processes of the release before, which know nothing of it,
write clients as ever. The index of 0002 stays until none of those is left.

It may be stopped, and run again.
"""

import itertools
import unicodedata

from django.db import migrations, transaction

BATCH = 5_000
#: Letters of a name. Longer ones, which nobody can enter, are found by their beginning.
LONGEST = 200

# --- The rule, as it was when this was written ---
DROPPED = "'`´ʹʻʼʽʾʿˈ‘’‛′׳״\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
PLAIN = {
    pair[0]: pair[1:]
    for pair in (
        "æae œoe ßss þth øo đd ðd ħh ıi łl ŋn ŧt ĸk əe ɛe ɔo ςσ ȷj ƀb ɓb ƈc ȼc ɖd ɗd ƌd ɇe ƒf ǥg ɠg ɨi ɉj ƙk ƚl ɲn ƞn "
        "ɵo ƥp ɍr ƫt ƭt ʈt ⱦt ʉu ʋv ɏy ƴy ƶz ȥz ⱥa"
    ).split()
}
#: Code points, from and to.
BETWEEN_WORDS = [
    (0x01, 0x2F),
    (0x3A, 0x40),
    (0x5B, 0x60),
    (0x7B, 0xBF),
    (0x58A, 0x58A),
    (0x5BE, 0x5BE),
    (0x2000, 0x206F),
]
BETWEEN_WORDS += [(0x3000, 0x3004), (0x3008, 0x303F), (0x30FB, 0x30FB)]
A_WORD_EACH = [(0x3005, 0x3007), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)]
A_WORD_EACH += [(0xF900, 0xFAFF), (0x20000, 0x323AF)]
HANGUL = (0xAC00, 0xD7A3)


def every():
    """Unicode has accents, capitals and letters that stand for others among these, and nowhere above them."""
    return (chr(point) for point in range(1, 0x30000) if not 0xD800 <= point <= 0xDFFF)


def is_in(char, ranges):
    return any(first <= ord(char) <= last for first, last in ranges)


def folded_letter(char):
    parts = "" if char in DROPPED else unicodedata.normalize("NFKD", char)
    return "".join(folded_part(part) for part in parts if part not in DROPPED and not unicodedata.combining(part))


def folded_part(char):
    small = small_letter(char)
    if is_in(char, BETWEEN_WORDS):
        return "  "
    return f"  {char}" if is_in(char, A_WORD_EACH) else PLAIN.get(small, small)


def small_letter(char):
    return char.lower() if ord(char) < 0x590 or char == "ẞ" else char


# --- PostgreSQL ---
# Not in SQL: PostgreSQL would put its text into the query, take it for as cheap as a comparison, and fold a million
# names rather than ask the index. All that it calls stands in pg_catalog, so that a dump can be restored. It looks before
# it replaces: `translate` goes through its whole list for each letter, and most names have no such letter.
FUNCTION = """
CREATE OR REPLACE FUNCTION notifier_folded_name(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100 AS $fold$
DECLARE
    folded text := name;
BEGIN
    IF octet_length(folded) <> char_length(folded) THEN
        folded := regexp_replace(normalize(replace(folded, '´', ''), NFKD), '[{dropped}]+', '', 'g');
        IF octet_length(folded) <> char_length(folded) THEN{blocks}
            IF folded ~ '[{between}]' THEN
                folded := regexp_replace(folded, '[{between}]', ' ', 'g');
            END IF;
            IF folded ~ '[{each}]' THEN
                folded := regexp_replace(folded, '[{each}]', ' \\&', 'g');
            END IF;
        END IF;
    END IF;
    folded := lower(folded COLLATE "C");
    IF folded ~ '[{between_ascii}]' THEN
        folded := regexp_replace(translate(folded, '''`', ''), '[{between_ascii}]', ' ', 'g');
    END IF;
    RETURN '  ' || replace(folded, ' ', '  ');
END
$fold$
"""
BLOCK = """
            IF folded ~ '[{letters}]' THEN
                folded := translate({folded}, '{single}', '{plain}');
            END IF;"""
#: Where the alphabets begin: a name has letters of one of them.
BLOCKS = (0x80, 0x180, 0x370, 0x400, 0x460, 0x530, 0x590, 0x30000)


def function():
    marks = [char for char in every() if unicodedata.combining(char)]
    beyond_ascii = [(max(first, 0x80), last) for first, last in BETWEEN_WORDS if last >= 0x80]
    # The blank is doubled at the end.
    ascii_alone = [(0x01, 0x1F), (0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7F)]
    return FUNCTION.format(
        dropped=character_class(sorted({*marks, *DROPPED} - {"´"})),
        blocks="".join(block(first, end) for first, end in itertools.pairwise(BLOCKS)),
        between=ranges_in_class(beyond_ascii),
        each=ranges_in_class(A_WORD_EACH),
        between_ascii=ranges_in_class(ascii_alone),
    )


def block(first, end):
    """Replaces the letters of one alphabet that are more than letters with an accent."""
    among = (char for char in every() if first <= ord(char) < end and unicodedata.normalize("NFKD", char) == char)
    letters = {char: folded_letter(char) for char in among if small_letter(char) != char or char in PLAIN}
    folded = "folded"
    for char, pair in letters.items():
        if len(pair) == 2:
            folded = f"replace({folded}, '{char}', '{pair}')"
    single = {char: plain for char, plain in letters.items() if len(plain) == 1}
    return BLOCK.format(letters="".join(letters), folded=folded, single="".join(single), plain="".join(single.values()))


def character_class(chars):
    ranges = []
    for point in map(ord, chars):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1] = (ranges[-1][0], point)
        else:
            ranges.append((point, point))
    return ranges_in_class(ranges)


def ranges_in_class(ranges):
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def add_index(schema_editor):
    # An interrupted build leaves an index that is marked invalid, and that no query uses.
    schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS client_folded_name")
    schema_editor.execute(
        "CREATE INDEX CONCURRENTLY client_folded_name ON notifier_client "
        "USING gin (notifier_folded_name(name) gin_trgm_ops)"
    )
    # Until then the planner knows nothing of what the function returns.
    schema_editor.execute("ANALYZE notifier_client")


# --- SQLite ---
TABLES = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS client_name_search USING fts5(folded, tokenize = trigram, detail = none)",
    # Each letter that becomes another, and a number for each place in a name: with them SQL goes through one.
    "CREATE TABLE IF NOT EXISTS client_name_letter (letter TEXT PRIMARY KEY, folded TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS client_name_place (place INTEGER PRIMARY KEY)",
)
# A syllable of Korean consists of two or three letters, and which they are is reckoned (Unicode, 3.12).
LETTER = f"""
    SELECT CASE
        WHEN point BETWEEN {HANGUL[0]} AND {HANGUL[1]} THEN
            char(4352 + (point - {HANGUL[0]}) / 588, 4449 + (point - {HANGUL[0]}) % 588 / 28)
            || CASE (point - {HANGUL[0]}) % 28 WHEN 0 THEN '' ELSE char(4519 + (point - {HANGUL[0]}) % 28) END
        ELSE coalesce(
            (SELECT folded FROM client_name_letter WHERE letter = char(point)),
            CASE WHEN {" OR ".join(f"point BETWEEN {first} AND {last}" for first, last in A_WORD_EACH)} THEN '  ' ELSE '' END
            || char(point)
        )
    END AS piece
    FROM (SELECT unicode(substr({{name}}, place, 1)) AS point FROM client_name_place
          WHERE place <= length({{name}}) ORDER BY place)
"""
FOLDED = f"""
    CASE WHEN {{name}} GLOB '*[^a-zA-Z0-9 ]*' THEN '  ' || (SELECT group_concat(piece, '') FROM ({LETTER}))
    ELSE '  ' || replace(lower({{name}}), ' ', '  ') END
"""
TRIGGERS = {
    "client_name_added": "AFTER INSERT ON notifier_client BEGIN {insert}; END",
    "client_name_changed": (
        "AFTER UPDATE OF name ON notifier_client WHEN old.name IS NOT new.name BEGIN {delete}; {insert}; END"
    ),
    "client_name_gone": "AFTER DELETE ON notifier_client BEGIN {delete}; END",
}
DELETE = "DELETE FROM client_name_search WHERE rowid = old.id"
INSERT = f"INSERT INTO client_name_search (rowid, folded) SELECT new.id, {FOLDED.format(name='new.name')}"


def add_tables(schema_editor):
    for statement in TABLES:
        schema_editor.execute(statement, params=None)
    letters = [(char, letter) for char in every() if (letter := folded_letter(char)) != otherwise(char)]
    with transaction.atomic(using=schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
        cursor.executemany("INSERT OR REPLACE INTO client_name_letter VALUES (%s, %s)", letters)
        places = [(place,) for place in range(1, LONGEST + 1)]
        cursor.executemany("INSERT OR REPLACE INTO client_name_place VALUES (%s)", places)


def otherwise(char):
    """What the triggers make of a letter that is not in the table."""
    if HANGUL[0] <= ord(char) <= HANGUL[1]:
        return unicodedata.normalize("NFKD", char)
    return f"  {char}" if is_in(char, A_WORD_EACH) else char


def add_triggers(schema_editor):
    for name, body in TRIGGERS.items():
        statement = f"CREATE TRIGGER IF NOT EXISTS {name} {body.format(insert=INSERT, delete=DELETE)}"
        schema_editor.execute(statement, params=None)


def fold_those_of_before(schema_editor):
    connection = schema_editor.connection
    folded = FOLDED.format(name="notifier_client.name")
    fill = (
        f"INSERT OR REPLACE INTO client_name_search (rowid, folded) SELECT id, {folded} FROM notifier_client "
        "WHERE id BETWEEN ? AND ?"
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM notifier_client")
        last = cursor.fetchone()[0]
    for first in range(1, last + 1, BATCH):
        # Its rows are read and written in one statement: nobody changes a name in between.
        with transaction.atomic(using=connection.alias):
            connection.connection.execute(fill, (first, first + BATCH - 1))


# --- Both ---
def add_search(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(function(), params=None)
        add_index(schema_editor)
        return
    add_tables(schema_editor)
    add_triggers(schema_editor)
    fold_those_of_before(schema_editor)


def drop_search(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS client_folded_name")
        schema_editor.execute("DROP FUNCTION IF EXISTS notifier_folded_name(text)")
        return
    for name in TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}")
    for table in ("client_name_search", "client_name_letter", "client_name_place"):
        schema_editor.execute(f"DROP TABLE IF EXISTS {table}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0017_ready_to_send")]

    operations = [migrations.RunPython(add_search, drop_search)]
