"""A page without a permission is refused when it is registered."""

import pytest

from arthomed.core.permissions import Permission
from arthomed.dashboard.blueprint import Pages
from arthomed.http.auth import requires_page
from arthomed.http.limits import limit_bookings


def test_a_page_without_requires_page_or_public_is_refused_at_registration() -> None:
    with pytest.raises(TypeError, match="names no permission"):
        Pages("faulty", __name__).add_url_rule("/open", view_func=lambda: "")


def test_a_rate_limit_that_only_admitted_requests_would_reach_is_an_error() -> None:
    with pytest.raises(TypeError, match="rate limits go above @requires_page"):
        requires_page(Permission.QUEUE)(limit_bookings(lambda: None))
