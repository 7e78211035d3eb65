"""The route to a page that is a plain function of the model admin, the request, and what the route captures."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from csp.decorators import csp
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from notifier.admin.lists.base import BackOfficeAdmin


def page(
    model_admin: BackOfficeAdmin,
    view: Callable[..., HttpResponseBase],
    *,
    name: str,
    route: str,
    policy: Mapping[str, Any] | None = None,
) -> URLPattern:
    """Only for members of staff; what else it takes to open the page, the view itself checks.

    `name` is the short one, as `BackOfficeAdmin.page_url` takes it. `policy` replaces the site's
    Content-Security-Policy on this page.
    """

    @wraps(view)
    def bound(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(model_admin, request, *args, **kwargs)

    served = bound if policy is None else csp(dict(policy))(bound)
    opts = model_admin.opts
    guarded = model_admin.admin_site.admin_view(served)
    return path(route, guarded, name=f"{opts.app_label}_{opts.model_name}_{name}")
