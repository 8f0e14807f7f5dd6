"""Links, addresses and phone numbers in what people typed: no SMS contains one (TRAI's rules on template variables)."""

import unicodedata

import regex

from arthomed.core import text

_UNSEEN = regex.compile(r"[\p{Cf}\p{Mn}\p{Me}]")  # invisible characters, and marks that only decorate digits
_ADDRESS = regex.compile(r"\w@\w|:\s*//|\bhttps?:|\bwww\d*\s*\.\s*\w|\b(?:mailto|tel|sms|upi|whatsapp):\S")
_IP_ADDRESS = regex.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
_HOST = regex.compile(r"(?<![\w.])(?:(\w[\w-]*)\.)+(?<last>xn--[\w-]+|\p{L}[\p{L}\p{M}]+)(?!\w)(?=(?<path>[/:?#]\S)?)")
_ABBREVIATION = regex.compile(r"\w|\d+|dr|prof|mr|mrs|ms|smt|shri|sri|kum|st|sr|jr|rev|er|adv|col|maj|capt|lt|rs|no")
_TOP_LEVEL_DOMAIN = regex.compile(
    r"[a-z]{2}|xn--.*|app|biz|buzz|click|club|com|cyou|dev|edu|example|gov|icu|info|link|live|mobi|name|net|online|org"
    r"|page|pro|quest|shop|site|space|store|tech|test|top|vip|web|website|work|xyz|zip"
)
_DATE_OR_TIME = regex.compile(
    r"(?<![\d.+-])(?:(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|1[0-2])\1(?:20)?\d\d|20\d\d-\d\d-\d\d"
    r"|(?:[01]?\d|2[0-3])[.:][0-5]\d)(?!\.?\d)"
)
_PHONE = regex.compile(r"\d(?:[^\p{L}\d]{0,3}\d){6,}")


def remove_contacts(typed: str, neutral: str) -> str:
    """Return `neutral` instead of a text with a link, an e-mail or UPI address or a phone number.

    Other dots between words, which phones may show as a link ("leave.Please", "B.Com"), are followed by a space.
    """
    return neutral if _has_contact(typed) else _HOST.sub(_separate, typed)


def _has_contact(typed: str) -> bool:
    """Whether a text has a contact, as a phone may read it: full-width and invisible characters do not hide it."""
    seen = text.plain(_UNSEEN.sub("", unicodedata.normalize("NFKC", typed))).replace("。", ".").casefold()
    if _ADDRESS.search(seen) or _IP_ADDRESS.search(seen) or _PHONE.search(_DATE_OR_TIME.sub("x", seen)):
        return True
    return any(_signs_of_link(host) > 1 for host in _HOST.finditer(seen))


def _separate(host: regex.Match[str]) -> str:
    return str(host[0]).replace(".", ". " if _signs_of_link(host) else ".")


def _signs_of_link(host: regex.Match[str]) -> int:
    """Count what distinguishes `evil.in/x` from `A.P.Rao`: a top-level domain, a path, a word that is not abbreviated.

    Any two letters count as a top-level domain, that of a country.
    """
    is_domain = _TOP_LEVEL_DOMAIN.fullmatch(host["last"].casefold()) is not None
    has_word = not all(_ABBREVIATION.fullmatch(label.casefold()) for label in host.captures(1))
    return is_domain + bool(host["path"]) + has_word
