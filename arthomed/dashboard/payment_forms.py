"""The forms of payments: the schemas of the API, with amounts as people type them."""

import re
from typing import Any

from flask_babel import gettext
from marshmallow.validate import Range

from arthomed.core import text
from arthomed.dashboard.i18n import rupees
from arthomed.http.schema import WholeNumber
from arthomed.payments.schemas import RecordPayment, RecordRefund

_AROUND_NUMBERS = re.compile(r"^(₹|rs\.?)|[,\s]|(/-|\.0{1,2})$", re.IGNORECASE)


class _Rupees(WholeNumber):
    """Whole rupees as they are typed: `1,500`, `₹ 1500`, `१५००`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        typed = _AROUND_NUMBERS.sub("", text.plain_number(value).strip()) if isinstance(value, str) else value
        number = int(typed) if re.fullmatch(r"[0-9]{1,9}", typed) else typed
        return super()._deserialize(number, attr, data, **kwargs)


def _amount() -> _Rupees:
    return _Rupees(required=True, strict=True, validate=Range(1))


class PaymentForm(RecordPayment):
    amount = _amount()


class RefundForm(RecordRefund):
    amount = _amount()


def amount_error(limit: int) -> str:
    """What is wrong with an amount, which is at most a limit."""
    if limit:
        return str(gettext("Enter whole rupees, %(amount)s at most.", amount=rupees(limit)))
    return str(gettext("There is nothing left to pay."))
