"""What staff tell a broadcast to do: one module a page, and `buttons` for those that the progress page offers."""
