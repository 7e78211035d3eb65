"""How phone numbers are written, everywhere."""

#: A number as the database has it, whatever the numbering plans say (ITU-T E.164).
E164 = r"^\+[1-9][0-9]{6,14}$"
