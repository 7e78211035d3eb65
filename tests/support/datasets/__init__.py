"""Filled databases for whatever looks at every page. Each names its rows alike: see tests/support/pages/."""
