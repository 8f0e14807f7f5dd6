"""Rotation of secrets: tokens and codes of the previous secret stay valid until it is removed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import jwt
import pytest
from flask.testing import FlaskClient

from arthomed.auth import rules
from arthomed.http.signed_tokens import ALGORITHM, AUDIENCE
from tests import factories
from tests.api.auth.sign_in import MOBILE, me, refresh, refreshed
from tests.factories import SignedIn, data_of, error_of, request_code, submit_code

NAMES = ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")
OLD = dict(zip(NAMES, (f"only-for-development-and-test-{use}" for use in ("access", "refresh", "codes")), strict=True))
NEW = {name: f"the-next-{name}-of-the-clinic-1234567890" for name in NAMES}
KEEPING_OLD = {f"{name}_PREVIOUS": secret for name, secret in OLD.items()}
WithSecrets = Callable[..., AbstractContextManager[FlaskClient]]


@pytest.fixture
def with_secrets(client: FlaskClient) -> WithSecrets:
    """The application after a restart with other secrets."""
    del client

    @contextmanager
    def restarted(**env: str) -> Iterator[FlaskClient]:
        with factories.environment(**env), factories.another_app() as app:
            yield app.test_client()

    return restarted


def test_tokens_of_the_previous_secret_stay_valid(with_secrets: WithSecrets, person: SignedIn) -> None:
    with with_secrets(**NEW, **KEEPING_OLD) as client:
        assert me(client, person.access_token).status_code == 200
        assert refresh(client, person.refresh_token).status_code == 200


def test_new_tokens_are_signed_with_the_new_secrets(with_secrets: WithSecrets, person: SignedIn) -> None:
    with with_secrets(**NEW, **KEEPING_OLD) as client:
        pair = refreshed(client, person.refresh_token)

    for token, name in (("accessToken", "JWT_SECRET"), ("refreshToken", "JWT_REFRESH_SECRET")):
        assert jwt.decode(pair[token], NEW[name], audience=AUDIENCE, algorithms=[ALGORITHM])


def test_a_process_with_the_old_secret_first_accepts_tokens_of_the_new_one(
    with_secrets: WithSecrets, person: SignedIn
) -> None:
    with with_secrets(**NEW, **KEEPING_OLD) as client:
        pair = refreshed(client, person.refresh_token)

    with with_secrets(**OLD, **{f"{name}_PREVIOUS": secret for name, secret in NEW.items()}) as client:
        assert me(client, pair["accessToken"]).status_code == 200
        assert refresh(client, pair["refreshToken"]).status_code == 200


def test_tokens_of_a_removed_secret_are_refused(with_secrets: WithSecrets, person: SignedIn) -> None:
    with with_secrets(**NEW) as client:
        assert error_of(me(client, person.access_token)) == (401, "INVALID_TOKEN")
        assert error_of(refresh(client, person.refresh_token)) == (401, "INVALID_TOKEN")


def test_a_code_of_the_previous_secret_stays_valid(client: FlaskClient, with_secrets: WithSecrets) -> None:
    data_of(request_code(client, MOBILE))
    code = factories.code_for(MOBILE)

    with with_secrets(**NEW, **KEEPING_OLD) as changed:
        assert submit_code(changed, MOBILE, code).status_code == 200


def test_a_worker_derives_a_code_of_either_secret() -> None:
    nonce = b"0123456789abcdef"
    code = rules.code_for(nonce, OLD["OTP_SECRET"])
    digest = rules.digest_of(MOBILE, code, OLD["OTP_SECRET"])

    assert rules.code_of(MOBILE, nonce, digest, [NEW["OTP_SECRET"], OLD["OTP_SECRET"]]) == code
    with pytest.raises(LookupError):
        rules.code_of(MOBILE, nonce, digest, [NEW["OTP_SECRET"]])
