"""Middleware, headers, pages for machines, and forms that carry what they showed. Pages for people are in `admin` and
`public`."""
