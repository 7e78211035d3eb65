"""Writing a notification: how far it is, what is typed and not saved, and tests of it. Sending it is `broadcasts`'."""
