"""The pages of clients. What they do is in `notifier.clients` and `notifier.consent`."""
