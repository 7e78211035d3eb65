"""Audiences that staff save: their conditions as a document, in SQL, in Python and in words. No page is here."""
