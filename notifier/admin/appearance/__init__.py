"""How e-mails look: their pictures. What they say is in `notifications`."""
