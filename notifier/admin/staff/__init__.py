"""The pages of users, groups and log-ins. What a group may do is in `notifier.staff.groups`."""
