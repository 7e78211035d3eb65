"""Invented people, and filling a database with them. Nothing else in the product uses it."""
