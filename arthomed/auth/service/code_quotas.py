"""The clinic's quotas of SMS with one-time codes: what an attack can cost, without closing sign-in for anybody known.

The worker that sends a code takes them. Three groups of numbers have separate quotas: staff, patients, and strangers
(`rules.clinic_quota`). A patient's first code of a day, and codes requested from an address from which the patient has
signed in before, are sent whatever the quota.
"""

import structlog

from arthomed.auth import rules
from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core import metrics, quota
from arthomed.core.errors import RateLimitExceeded
from arthomed.core.permissions import Role
from arthomed.core.quota import Quota
from arthomed.users import service as users
from arthomed.users.models import User

log = structlog.get_logger()


def take(code: Otp) -> bool:
    """Count the SMS of a code; False when the quota is exhausted, so that the SMS is not sent.

    Raises:
        ServiceUnavailable: Redis does not answer.
    """
    user = users.find_by_mobile(code.mobile_number)
    if user is not None and not user.is_active:
        user = None
    if user is not None and _is_always_sent(user, code):
        return True
    clinic_quota = rules.clinic_quota(is_patient=user is not None, policy=settings().codes)
    is_taken = _take(clinic_quota)
    if not is_taken:
        log.warning("code_withheld", quota=clinic_quota.key)
        metrics.CODES_WITHHELD.add(clinic_quota.key)
    return is_taken


def _is_always_sent(user: User, code: Otp) -> bool:
    if user.role is not Role.PATIENT or code.requested_from in user.known_addresses:
        return True
    return _take(rules.first_of_day_quota(user.mobile_number))


def _take(one: Quota) -> bool:
    try:
        [used] = quota.counter().take([one])
    except RateLimitExceeded:
        return False
    if one.limit > 1 and used == one.limit // 2:
        log.warning("otp_quota_half_used", quota=one.key)
        metrics.QUOTAS_HALF_USED.add(one.key)
    return True
