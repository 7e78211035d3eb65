"""The back office, `site` and one folder a subject. What the pages do lives in the packages below them."""
