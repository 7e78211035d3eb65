"""Middleware, headers and pages for machines. Pages for people are in `admin` and `public`."""
