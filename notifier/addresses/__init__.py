"""How addresses are written: one form for each, however it was typed. No client and no database is known here."""
