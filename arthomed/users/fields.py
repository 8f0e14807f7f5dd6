"""Fields that hold what people write about a person: numbers, names, dates, addresses."""

import re
from datetime import date
from typing import Any

import marshmallow as ma
from marshmallow.validate import Email, OneOf

from arthomed.config import settings
from arthomed.core import clock
from arthomed.http.schema import Day, Pattern, PlainText, Text
from arthomed.users import rules


class Mobile(PlainText):
    """An Indian mobile number in any common notation; loads as ten digits."""

    documented = {"example": "9876543210"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        typed = super()._deserialize(value, attr, data, **kwargs)
        mobile = rules.normalise_mobile(typed)
        if mobile is None:
            raise ma.ValidationError(rules.mobile_error(typed))
        return mobile


class Phone(PlainText):
    """A phone number of any country; loads as ten digits if it is an Indian mobile number, else as in E.164."""

    documented = {"example": "9876501234", "description": "A number that is not Indian needs its country code."}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        number = rules.normalise_phone(super()._deserialize(value, attr, data, **kwargs))
        if number is None:
            raise ma.ValidationError("Please enter a phone number, with + and the country code if it is not Indian")
        return number


class Gender(PlainText):
    documented = {"example": "female"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=OneOf(rules.GENDERS), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        typed: str = super()._deserialize(value, attr, data, **kwargs)
        return typed.lower()


class Pincode(PlainText):
    documented = {"example": "411001"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=Pattern(r"^[1-9][0-9]{5}$", error="Must be six digits."), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        typed: str = super()._deserialize(value, attr, data, **kwargs)
        return typed.replace(" ", "").replace("-", "")


class PastDay(Day):
    """A date of birth or of a diagnosis."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:  # type: ignore[override]
        day = super()._deserialize(value, attr, data, **kwargs)
        error = rules.date_error(day, clock.today(settings().policy.timezone))
        if error is not None:
            raise ma.ValidationError(error)
        return day


class Age(PlainText):
    """An age in whole years; loads as a date of birth."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:  # type: ignore[override]
        typed = super()._deserialize(value, attr, data, **kwargs)
        years = int(typed) if re.fullmatch("[0-9]{1,3}", typed) else 0
        if not 1 <= years <= rules.MAX_AGE:
            raise ma.ValidationError(rules.AGE_ERROR)
        return rules.born_for_age(years, clock.today(settings().policy.timezone))


class Name(Text):
    """A person's name in any script."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"example": "Asha Verma", **kwargs.pop("metadata", {})}
        kwargs["error_messages"] = {"too_long": rules.NAME_LENGTH_ERROR}
        super().__init__(min_length=rules.NAME_MIN, max_length=rules.NAME_MAX, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        typed = super()._deserialize(value, attr, data, **kwargs)
        error = rules.name_error(typed)
        if error is not None:
            raise ma.ValidationError(error)
        return rules.plain_name(typed)


class PublicEmail(Email):
    """An address on the internet: no single host, no IP address."""

    def __call__(self, value: str) -> str:
        domain = super().__call__(value).rpartition("@")[2]
        if domain.endswith("]") or domain.rpartition(".")[2] in rules.LOCAL_DOMAINS:
            raise ma.ValidationError(self._format_error(value))
        return value


class EmailAddress(Text):
    """An e-mail address; loads in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"example": "asha@example.com", "format": "email"}
        valid = PublicEmail(error="Please enter a valid email address")
        super().__init__(max_length=254, validate=[valid], **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs).lower()
        if "=?" in address:  # an encoded word (RFC 2047), which mail software would decode into other addresses
            raise ma.ValidationError("Please enter a valid email address")
        return address
