"""Pictures for e-mails: decoding, storing and where they are used. How a text shows one is in `messages`."""
