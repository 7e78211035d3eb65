"""The ways out: what hands one message to a provider. A backend is chosen by setting, by dotted path."""
