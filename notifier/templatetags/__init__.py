"""Tags and filters of the templates: each puts what it is given into words. They ask no database."""
