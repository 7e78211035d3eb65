"""One module a command, named as it is typed. What they do is in the services that they call."""
