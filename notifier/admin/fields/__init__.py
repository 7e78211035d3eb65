"""The fields that staff define for clients, and tags. A client's own values are on the client's page."""
