"""What every process needs, whatever it does: clock, heartbeats, waiting, stopping. No business rules."""
