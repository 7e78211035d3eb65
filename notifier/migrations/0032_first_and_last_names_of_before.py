"""First and last names of the clients of before, where a full name is plainly one of each. It may be stopped, and run
again.

Whoever has another name keeps it as it is, and has no first name: a text says what those read instead, and nobody reads
a guess. What an old process adds meanwhile, or later, stays without one as well.
"""

import re

from django.db import migrations, transaction

BATCH = 2_000
#: Two words that begin with a capital and go on in small letters: Ann Lee, Élodie O’Brien, Ji-woo Kim. Neither a comma
#: nor a dot, a digit, an initial or a word in capitals, and no alphabet without capitals, in most of which the family's
#: name stands first.
WORD = r"[^\W\d_](?:[’'-]?[^\W\d_])+"
TWO_WORDS = re.compile(rf"({WORD}) ({WORD})")
#: What else stands as the first or the second word: titles, particles of family names, and what companies are called.
NO_FIRST_NAMES = frozenset(
    "mr mrs ms miss mx dr prof sir dame lord lady rev herr frau hr fr dhr mevr señor señora sr sra don doña monsieur "
    "madame mademoiselle mme mlle signor signora pan pani capt captain major colonel father sister brother saint st the "
    "van von vom zu zum zur de del della delle den der di da dal do dos das du des la le les lo el al ter ten te af av "
    "bin ibn ben bar abu mac san santa family familie famille familia team haus hotel café cafe restaurant".split()
)
NO_LAST_NAMES = frozenset(
    "ltd limited inc llc llp plc corp corporation company co gmbh ag kg ohg ug ev sa sas sarl srl spa bv nv ab as asa oy "
    "aps kft sro group holding holdings partners associates solutions services systems consulting bank bakery hotel "
    "school university college church club council office shop store market restaurant café cafe hospital clinic "
    "pharmacy studio media press foundation trust institute agency properties estates homes housing family familie jr sr "
    "junior senior".split()
)


def split(name):
    """The first and the last name; None where it is not plain which is which."""
    found = TWO_WORDS.fullmatch(name)
    if found is None or not all(is_capitalised(word) for word in found.groups()):
        return None
    first, last = found.groups()
    if first.lower() in NO_FIRST_NAMES or last.lower() in NO_LAST_NAMES | NO_FIRST_NAMES:
        return None
    return first, last


def is_capitalised(word):
    return word[0].isupper() and any(letter.islower() for letter in word[1:])


def split_names(apps, schema_editor):
    connection = schema_editor.connection
    clients = apps.get_model("notifier", "Client").objects.using(connection.alias).filter(first_name="", last_name="")
    last = 0
    while rows := list(clients.filter(pk__gt=last).order_by("pk").values_list("pk", "name")[:BATCH]):
        found = [(*parts, pk, name) for pk, name in rows if (parts := split(name))]
        # Only where the name is still the one that was read. In the order of their ids, as imports lock them.
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE notifier_client SET first_name = %s, last_name = %s "
                "WHERE id = %s AND name = %s AND first_name = '' AND last_name = ''",
                found,
            )
        last = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("notifier", "0031_names_in_step")]

    operations = [migrations.RunPython(split_names, migrations.RunPython.noop)]
