"""Commands for a shell: each reads its options and calls a service. `run_consumer` is in `consumers`."""
