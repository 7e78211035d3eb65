"""The one registry of pages: who may open each and press its buttons, how it is reached, pictured and timed."""
