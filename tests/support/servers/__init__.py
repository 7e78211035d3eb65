"""Real processes: PostgreSQL, RabbitMQ, and the product itself. Providers are in `fakes`."""
