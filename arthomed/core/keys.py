"""Signing keys: how a token names its key, and whether a key is strong enough."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

MIN_LENGTH = 32  # bytes; RFC 7518 section 3.2 requires at least the hash size for HS256


def key_id(secret: str) -> str:
    """The `kid` header (RFC 7515 section 4.1.4) of tokens signed with this secret; it does not reveal the secret."""
    return sha256(b"key id:" + secret.encode()).hexdigest()[:8]


def select_key(kid: object, keys: Sequence[str]) -> str:
    """The key with this id; the first, which signs new tokens, if none has it."""
    return next((key for key in keys if key_id(key) == kid), keys[0])


def weaknesses(required: Mapping[str, str], optional: Mapping[str, str]) -> Iterator[str]:
    """Each reason why these secrets, given by name, are unsafe; optional ones may be empty."""
    for name, secret in {**required, **optional}.items():
        if (secret or name in required) and (reason := _weakness(secret)):
            yield f"{name}: {reason}"
    secrets = [secret for secret in (*required.values(), *optional.values()) if secret]
    if len(set(secrets)) < len(secrets):
        names = [*required, *(name for name, secret in optional.items() if secret)]
        yield f"{', '.join(names)}: must differ from each other"


def _weakness(secret: str) -> str | None:
    if not secret:
        return "missing"
    if len(secret.encode()) < MIN_LENGTH:
        return f"weak, at least {MIN_LENGTH} bytes are needed"
    if len(set(secret)) < MIN_LENGTH // 4 or secret.startswith("only-for-development"):
        return "weak, use a random value"
    return None
