"""The database of the tests themselves: other connections to it, and a stretch that is undone."""
