"""What staff call the models and the states. Sentences of a page are in its template."""
