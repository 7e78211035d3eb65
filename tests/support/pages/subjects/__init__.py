"""The pages themselves, a module a subject. What a page is stands in `page.py`, and all of them in `registry.py`."""
