from django.contrib.admin.apps import AdminConfig


class NotifierAdminConfig(AdminConfig):
    # Outside notifier.admin: that package registers its pages when it is imported, and asks for the site to do so.
    default_site = "notifier.admin.site.NotifierAdminSite"
