"""Fields that staff define for clients, and tags: defining, setting, reading, asking who has them. No page is here."""
