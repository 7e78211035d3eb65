"""The pages of broadcasts, from the confirm page to follow-ups. What they do is in `notifier.broadcasts`."""
