"""What became of messages that providers took: taking receipts, what these prove, and counting them. No webhooks."""
