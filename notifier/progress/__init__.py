"""How far a broadcast is: its numbers, its bar, its newest deliveries, and why some were skipped. Read only."""
