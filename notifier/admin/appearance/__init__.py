"""How e-mails look: their pictures, and the brand. What they say is in `notifications`."""
