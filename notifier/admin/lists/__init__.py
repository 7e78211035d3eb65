"""What every list and page shares: bases, search, selection, counting. Nothing about one subject."""
