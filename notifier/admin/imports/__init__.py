"""The pages of an import: upload, columns, preview, result. What they do is in `notifier.clients.imports`."""
