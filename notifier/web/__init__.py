"""Middleware, headers and machine pages: what surrounds every page. Pages are in `admin` and `public`."""
