"""The pages of suppressions, and the inbox of SMS replies. What they do is in `notifier.consent`."""
