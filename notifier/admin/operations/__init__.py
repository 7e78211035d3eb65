"""The pages of processes, queued tickets and throttles. No page asks the broker."""
