"""The back office and the engine, one folder a subject. What hands messages to providers is in `consumers`."""
