"""Settings, URLs and the start of `make run`. Nothing imports it: settings come from `django.conf`."""
