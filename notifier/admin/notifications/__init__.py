"""The pages on which notifications are written and tested, and topics. Sending is in `admin.broadcasts`."""
