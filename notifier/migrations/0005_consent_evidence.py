from django.db import migrations

# Consent that was given before changes were written down: one row each, so that every consent has its evidence.
CONSENTS = """
    INSERT INTO notifier_consentchange (client_id, topic_id, channel, agreed, at, source, detail)
    SELECT p.client_id, p.topic_id, '{channel}', true, CURRENT_TIMESTAMP, 'EARLIER', ''
    FROM notifier_preference p WHERE p.{channel} AND EXISTS (SELECT 1 FROM notifier_client c WHERE c.id = p.client_id)
"""


def record_consents(apps, schema_editor):
    for channel in ("email", "sms"):
        schema_editor.execute(CONSENTS.format(channel=channel))


class Migration(migrations.Migration):
    dependencies = [("notifier", "0004_back_office")]

    operations = [migrations.RunPython(record_consents, migrations.RunPython.noop, elidable=True)]
