"""May we write to them: consent, suppressions, SMS replies, provider events. Their pages are elsewhere."""
