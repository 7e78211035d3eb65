"""Questions that a test asks of what it finds: the books, the evidence of consent, growth, migrations."""
