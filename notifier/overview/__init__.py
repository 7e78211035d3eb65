"""What the front page shows, read only: its numbers, and whether all processes work. Its views are in `admin`."""
