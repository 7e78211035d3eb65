"""Forms that carry what they showed and overwrite nobody, and what is wrong with a form. What they ask is elsewhere."""
