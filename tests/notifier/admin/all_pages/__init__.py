"""What holds for every page of the back office, whatever its subject."""
