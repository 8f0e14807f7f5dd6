"""The messages of services that staff may see, so that they are translated like the pages' own texts.

Some are for programmers: staff see other words.
"""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext


def N_(message: str) -> str:  # noqa: N802  the name by which Babel finds the texts
    return message


MESSAGES = frozenset(
    {
        # fields
        N_("Please enter a valid Indian mobile number"),
        N_("Mobile number must be exactly 10 digits"),
        N_("A reason is needed."),
        # signing in
        N_("Too many failed attempts, please try again later"),
        N_("Account has been deactivated."),
        N_("The dashboard is for the clinic's staff. Please use the Arthomed app for your own appointments."),
        N_("This request did not come from the dashboard. Please reload the page and try again."),
        # requests
        N_("Doctor not found"),
        N_("You may not do this"),
        N_("Too many requests, please try again later"),
        N_("Too many requests from this IP, please try again later."),
        N_("The service is not available right now, please try again"),
        N_("This method is not allowed here"),
        N_("The request could not be understood"),
        # appointments and the queue
        N_("The appointment cannot change to this status"),
        N_("The appointment was changed in the meantime; please look again"),
        N_("The appointment does not wait for confirmation any more"),
        N_("It is too late for this"),
        N_("The appointment can still be confirmed"),
        N_("An appointment can be started from one hour before its time"),
        N_("An appointment can be started until four hours after its end"),
        N_("A no-show can be undone within 24 hours"),
        N_("The patient has arrived"),
        N_("The appointment has not been missed yet"),
        N_("The start of a consultation can be undone within ten minutes"),
        N_("Notes or a prescription are written; the start cannot be undone any more"),
        N_("The consultation may still be going on"),
        N_("The consultation has begun"),
        N_("The patient is called"),
        N_("The patient is waiting"),
        N_("The patient was skipped; recall them first"),
        N_("The patient has not arrived"),
        N_("The consultation is over"),
        N_("The appointment is marked as a no-show"),
        N_("The appointment is cancelled"),
        N_("The appointment is not confirmed yet; confirm it first"),
        N_("The appointment is on a later day"),
        N_("The appointment is over; book another one"),
        N_("There is nothing to undo"),
        N_("It is too late to undo this: it happened more than ten minutes ago"),
        N_("The first attempt was done: the day shows it. Please close this."),
        N_("Another patient of this doctor is called now; start or skip that one first"),
        N_("The patient now has another appointment at that time"),
        N_("Selected time slot is not available"),
        N_("Time slot already booked"),
        # moving
        N_("Only a pending or confirmed appointment can be rescheduled"),
        N_("The patient has arrived; the appointment cannot be rescheduled any more"),
        N_("An appointment can be rescheduled before its start only"),
        N_("The patient has a token of this day; cancel this one and book another"),
        N_("Must be a doctor of the same specialization."),
        # a new appointment
        N_("Please choose a time."),
        N_("Please choose the person."),
        N_("Please enter the age in years, from 1 to 120; for a baby the date of birth."),
        N_(
            "Please enter at least two letters of the name, the last four digits of the number, or # and today's token."
        ),
        N_("Please enter today's token as a number, for example #12."),
        N_("Patient not found"),
        N_("Family member not found"),
        N_("The account of this number is deactivated"),
        N_("The patient already has an appointment at that time"),
        N_("The patient already has an appointment with this doctor on that day"),
        N_("You already have an appointment at that time"),
        N_("You already have an appointment with this doctor on that day"),
        N_("Doctors cannot book an appointment with themselves."),
        N_("Doctors cannot book an appointment with themselves, also not for their family."),
        N_("Doctors cannot have an appointment with themselves."),
        N_("Several family members have this name; please enter the date of birth"),
        N_("A family can have at most 20 members"),
        N_("Name must be between 1 and 100 characters"),
        N_("Name can only contain letters, spaces, full stops, apostrophes, hyphens and slashes"),
        # payments, messages and files
        N_("This form was sent before with other values. Close it and look at the payments."),
        N_("This appointment is cancelled, so it takes no payment"),
        N_("This appointment is rejected, so it takes no payment"),
        N_("This entry is corrected already"),
        N_("A correction cannot be corrected; record the payment or refund again."),
        N_("Part of this payment was refunded; correct the refund first."),
        N_("The appointment has changed or ended since this message, so it cannot be sent again"),
        N_("Only a failed message to a person can be sent again, and only before it expires"),
        N_("The file is being checked, please try again soon"),
    }
)

PLAIN: Mapping[str, LazyString] = {
    "Missing data for required field.": lazy_gettext("Please fill this in."),
    "Field may not be null.": lazy_gettext("Please fill this in."),
    "Invalid OTP": lazy_gettext("The code is wrong."),
    "OTP must be exactly 6 digits": lazy_gettext("The code has six digits."),
    "OTP must contain only numbers": lazy_gettext("The code has digits only."),
    "The OTP has expired, please request a new one": lazy_gettext("The code has expired. Please request a new one."),
    "Too many wrong attempts, please request a new OTP": lazy_gettext(
        "Too many wrong codes. Please request a new one."
    ),
    "Must be a date from 1900-01-01 until today": lazy_gettext("Please enter a date from 1900 until today."),
    "Must be a date as YYYY-MM-DD.": lazy_gettext("Please enter a date."),
    "Must be a time as HH:MM.": lazy_gettext("Please enter a time."),
    "Not a valid integer.": lazy_gettext("Please enter a whole number."),
    "Resource not found": lazy_gettext("This does not exist, or not any more."),
    "Internal server error": lazy_gettext("Something went wrong. Please try again."),
}
"""What staff see instead of messages for programmers."""
WITH_VALUES: Mapping[str, str] = {
    "Token %(token)s of this doctor is called now; start or skip that one first": N_(
        "Token %(token)s of this doctor is called now; start or skip that one first"
    ),
    "Length must be between %(first)s and %(last)s.": N_("At most %(last)s characters."),
    "Longer than maximum length %(last)s.": N_("At most %(last)s characters."),
    "Must be greater than or equal to %(first)s and less than or equal to %(last)s.": N_(
        "Please enter a number from %(first)s to %(last)s."
    ),
    "Must be greater than or equal to %(first)s.": N_("Please enter at least %(first)s."),
    "Must be one of: %(all)s.": N_("Please choose one of the list."),
    "Contains the character %(code)s. Please remove it.": N_(
        "This has a character that cannot be stored. Please type it again."
    ),
}
"""What staff see instead of messages with values in them."""
