"""A file of clients, from its columns to the rows that are written. Reading files is in `files`."""
