"""Secrets that sign: whether they are strong enough, and which of two did."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

MIN_LENGTH = 32  # bytes; RFC 7518 section 3.2 wants at least the hash size for HS256


def key_id(secret: str) -> str:
    """What a token tells of the secret that signed it (RFC 7515 section 4.1.4), and nobody can go back from."""
    return sha256(b"key id:" + secret.encode()).hexdigest()[:8]


def chosen(named: object, keys: Sequence[str]) -> str:
    """The key that a token names; the first, which signs, for one that names none of them."""
    return next((key for key in keys if key_id(key) == named), keys[0])


def weaknesses(needed: Mapping[str, str], others: Mapping[str, str]) -> Iterator[str]:
    """Why secrets, by their names, must not be used; the others may be missing."""
    for name, secret in {**needed, **others}.items():
        if (secret or name in needed) and (why := _weakness(secret)):
            yield f"{name}: {why}"
    given = [secret for secret in (*needed.values(), *others.values()) if secret]
    if len(set(given)) < len(given):
        named = [*needed, *(name for name, secret in others.items() if secret)]
        yield f"{', '.join(named)}: must differ from each other"


def _weakness(secret: str) -> str | None:
    if not secret:
        return "missing"
    if len(secret.encode()) < MIN_LENGTH:
        return f"weak, at least {MIN_LENGTH} bytes are needed"
    if len(set(secret)) < MIN_LENGTH // 4 or secret.startswith("only-for-development"):
        return "weak, use a random value"
    return None
