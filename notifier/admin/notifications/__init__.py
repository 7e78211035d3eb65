"""The pages on which notifications are written, tested and sent (the confirm page), and topics."""
