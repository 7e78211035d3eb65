"""What holds a message back although the client agreed: quiet hours, rate limits, breakers, values that it lacks."""
