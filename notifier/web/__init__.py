"""Middleware, headers, machine pages, and forms that carry what they showed. Pages are in `admin` and `public`."""
