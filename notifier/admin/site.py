from django.contrib.admin import AdminSite


class NotifierAdminSite(AdminSite):
    site_header = "Notifier"
    site_title = "Notifier"
    index_title = "Overview"
