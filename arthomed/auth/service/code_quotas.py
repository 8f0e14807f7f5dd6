"""The clinic's quotas of SMS with one-time codes, which bound what an attack can cost.

The worker that sends a code counts it. Patients and strangers have separate quotas (`rules.clinic_quotas`). They do not
apply to staff, to a patient's first code of a day, nor to codes requested from an address from which the patient has
signed in before. `docs/security.md` says whom an attack can keep from signing in.
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


def may_send(code: Otp) -> bool:
    """Count the SMS of a code, once; False when the quota is exhausted, so that the SMS is not sent.

    A worker that is killed before the SMS is in the outbox, or a job that runs twice, counts nothing more.

    Raises:
        ServiceUnavailable: Redis does not answer.
    """
    user = users.find_by_mobile(code.mobile_number)
    if user is not None and not user.is_active:
        user = None
    if user is not None and _is_always_sent(user, code):
        return True
    clinic, *shares = rules.clinic_quotas(code.requested_from, is_patient=user is not None, policy=settings().codes)
    is_taken = _take(code, clinic, *shares)
    if not is_taken:
        log.warning("code_withheld", quota=clinic.key)
        metrics.CODES_WITHHELD.add(clinic.key)
    return is_taken


def _is_always_sent(user: User, code: Otp) -> bool:
    if user.role is not Role.PATIENT or code.requested_from in user.known_addresses:
        return True
    return _take(code, rules.first_of_day_quota(user.mobile_number))


def _take(code: Otp, one: Quota, *shares: Quota) -> bool:
    try:
        used = quota.counter().take([one, *shares], use=str(code.issue))[0]
    except RateLimitExceeded:
        return False
    if one.limit > 1 and used == one.limit // 2:
        log.warning("otp_quota_half_used", quota=one.key)
        metrics.QUOTAS_HALF_USED.add(one.key)
    return True
