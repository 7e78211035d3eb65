"""The numbers of the front page, read only. Its views are in `admin`."""
