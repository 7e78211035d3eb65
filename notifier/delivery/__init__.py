"""The engine: from a running broadcast to settled deliveries. What a provider wants is not known here."""
