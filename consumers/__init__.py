"""The sending side: takes tickets, claims deliveries and sends them. It serves no pages."""
