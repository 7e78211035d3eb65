from django.contrib import admin
from django.urls import path, re_path
from django.views.generic import RedirectView

import notifier.admin.registry  # noqa: F401
from notifier.public import brand_styles, pictures, preferences, unsubscribe
from notifier.web.health import healthz
from notifier.web.security_headers import csp_report
from notifier.webhooks import email_events, sms_receipts
from notifier.webhooks.sms import sms

handler400 = "notifier.web.db_errors.bad_request"
handler403 = "notifier.admin.error_pages.forbidden"
handler404 = "notifier.admin.error_pages.not_found"
handler500 = "notifier.web.db_errors.server_error"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", healthz, name="healthz"),
    path("csp-report", csp_report, name="csp_report"),
    path("hooks/mail/<slug:provider>/tracking/", email_events.hook, name="mail_hook"),
    path("hooks/sms/<str:provider>", sms, name="sms_hook"),
    path("hooks/sms/<str:provider>/receipts/<str:token>", sms_receipts.receipt, name="sms_receipts"),
    path("brand.css", brand_styles.style_sheet, name="brand_styles"),
    path("pictures/<str:name>", pictures.picture, name="picture"),
    path("admin/", admin.site.urls),
    # Whatever may stand in the token's place: a damaged link gets the same answer as a forged one.
    re_path(r"^u/(?P<token>[\s\S]*)\Z", unsubscribe.unsubscribe_page, name="unsubscribe"),
    re_path(r"^p/(?P<token>[\s\S]*)\Z", preferences.preferences_page, name="preferences"),
]
