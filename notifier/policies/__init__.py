"""What holds a message back although the client agreed to it: quiet hours, rate limits, circuit breakers."""
