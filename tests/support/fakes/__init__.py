"""Mail servers and providers that behave as badly as a test asks for. Real servers are in `servers`."""
