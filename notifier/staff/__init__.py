"""Who works here: groups, log-in, sessions, accounts, time zones. Their pages are in `admin.staff`."""
