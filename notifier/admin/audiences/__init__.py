"""Saved audiences: their list, and the page on which one is built from conditions."""
