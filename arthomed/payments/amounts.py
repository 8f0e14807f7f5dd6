"""Amounts as Indian receipts write them; pure."""

_CRORE, _LAKH, _THOUSAND, _HUNDRED, _TWENTY, _TEN = 10_000_000, 100_000, 1_000, 100, 20, 10
_SCALES = ((_CRORE, "crore"), (_LAKH, "lakh"), (_THOUSAND, "thousand"), (_HUNDRED, "hundred"))
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(number: int) -> str:
    """A whole number in words, as Indian receipts write it: `one lakh twenty thousand five hundred`."""
    for scale, name in _SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            return f"{in_words(count)} {name}" + (f" {in_words(rest)}" if rest else "")
    if number < _TWENTY:
        return _SMALL[number]
    tens, ones = divmod(number, _TEN)
    return _TENS[tens] + (f" {_SMALL[ones]}" if ones else "")


def grouped(number: int) -> str:
    """A whole number with the separators of India: `12,34,567`."""
    head, tail = divmod(number, _THOUSAND)
    if not head:
        return str(tail)
    pairs = []
    while head:
        head, pair = divmod(head, _HUNDRED)
        pairs.append(f"{pair:02}" if head else str(pair))
    return ",".join([*reversed(pairs), f"{tail:03}"])
