"""Who would get a notification now, who would not and why, and what it would take. Only reads; `broadcasts` sends."""
