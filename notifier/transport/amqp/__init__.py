"""Tickets over RabbitMQ. Only this package imports pika, and none of its errors leave it."""
