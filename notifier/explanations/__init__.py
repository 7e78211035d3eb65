"""Why a client did or did not get a broadcast, in plain sentences. Read only: it decides nothing."""
