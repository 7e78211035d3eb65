"""What one value of a client field can be: a type a kind, which reads, stores and shows it. It knows no model."""
