"""The product as attacks run it: settings that break or shift something, programs beside it, and what its page says."""
