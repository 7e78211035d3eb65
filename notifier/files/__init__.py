"""Other people's spreadsheets, read and written. Neither clients nor a database are known here."""
