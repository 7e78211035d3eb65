"""How long a backend waits for each answer."""

#: Where a fake is made to say nothing, or a letter at a time: a test waits for it in vain.
HASTY_SECONDS = 1.0
PATIENT_SECONDS = 30.0
