from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from notifier.health import healthz

handler400 = "notifier.outages.bad_request"
handler500 = "notifier.outages.server_error"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
