"""The pages of broadcasts, from what waits for approval to follow-ups. What they do is in `notifier.broadcasts`."""
