from django.contrib.admin.apps import AdminConfig


class NotifierAdminConfig(AdminConfig):
    default_site = "notifier.admin.site.NotifierAdminSite"
