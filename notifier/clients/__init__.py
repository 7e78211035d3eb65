"""Who they are: archiving, erasing, exporting, the client record. What they agreed to is in `consent`."""
