"""Access and refresh tokens: which are accepted, and how the others are refused."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.config import settings
from arthomed.core import clock
from tests import factories
from tests.api.auth.sign_in import me, refresh
from tests.factories import SignedIn, data_of, error_of

LEEWAY = 10  # seconds
CLAIMS = ("type", "jti", "sid", "sub", "exp", "iss", "aud")
REFRESH_CLAIMS = ("type", "jti", "sid", "sub", "gen", "exp", "iss", "aud")
WRONG_CLAIMS: list[tuple[str, object]] = [
    ("type", ""),
    ("type", None),
    ("type", "refresh "),
    ("aud", "another"),
    ("aud", ["another"]),
    ("iss", "another"),
    ("sid", "not an id"),
    ("sid", None),
    ("sid", {"$ne": None}),
    ("exp", "tomorrow"),
    ("exp", None),
]


GOOD_HEADER, LIST_OF_ALGORITHMS, NO_UTF_8 = b'{"alg":"HS256"}', b'{"alg":["HS256"]}', b"\xff\xfe"


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def raw_token(header: bytes, payload: bytes = b"{}") -> str:
    return f"{_base64(header)}.{_base64(payload)}.{_base64(b'signature')}"


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def signed(claims: object, secret: str, *, alg: str = "HS256", digest: str = "sha256") -> str:
    """A token built without our code, as an attacker builds it."""
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": alg, "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), digest)
    return ".".join([*parts, _base64(signature)])


def without(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


class TestAccessTokens:
    def test_a_token_of_a_live_session_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        assert data_of(me(client, person.access_token))["user"]["_id"] == str(person.user.id)

    def test_a_token_that_these_tests_sign_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed(claims_of(person.access_token), settings().jwt_secret)

        assert me(client, token).status_code == 200

    def test_a_missing_token_is_refused_with_the_scheme(self, client: FlaskClient) -> None:
        response = client.get("/api/auth/me")

        assert error_of(response) == (401, "NO_TOKEN")
        assert response.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
    def test_the_scheme_is_case_insensitive(self, client: FlaskClient, person: SignedIn, scheme: str) -> None:
        response = client.get("/api/auth/me", headers={"Authorization": f"{scheme} {person.access_token}"})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Basic YTpi",
            "Basic \xff",
            "Token abc",
            "abc",
            "Bearerabc",
            "BearerBearer abc",
            ", Bearer abc",
            ", ,Bearer abc",
            ",  ,",
            "Bearer abc, Bearer abc",
        ],
    )
    def test_another_scheme_counts_as_no_token(self, client: FlaskClient, header: str) -> None:
        assert error_of(client.get("/api/auth/me", headers={"Authorization": header})) == (401, "NO_TOKEN")

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "bearer abc",
            "Bearer Bearer abc",
            "Bearer a=b",
            "Bearer abc",
            "Bearer ..",
            "Bearer a.b.c",
            "Bearer \xe9\xff",
            f"Bearer {raw_token(b'[' * 3000)}",
            f"Bearer {raw_token(GOOD_HEADER, b'[' * 3000)}",
            f"Bearer {raw_token(GOOD_HEADER, b'1' * 5000)}",
            f"Bearer {raw_token(GOOD_HEADER, b'[]')}",
            f"Bearer {raw_token(GOOD_HEADER, b'null')}",
            f"Bearer {raw_token(GOOD_HEADER, NO_UTF_8)}",
            f"Bearer {raw_token(NO_UTF_8)}",
            f"Bearer {raw_token(LIST_OF_ALGORITHMS)}",
        ],
    )
    def test_a_malformed_token_is_refused(self, client: FlaskClient, header: str) -> None:
        assert error_of(client.get("/api/auth/me", headers={"Authorization": header})) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_a_token_that_lacks_a_claim_is_refused(self, client: FlaskClient, person: SignedIn, claim: str) -> None:
        token = signed(without(claims_of(person.access_token), claim), settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize(("claim", "value"), [*WRONG_CLAIMS, ("sub", "not an id"), ("sub", 5), ("sub", None)])
    def test_a_token_with_a_wrong_claim_is_refused(
        self, client: FlaskClient, person: SignedIn, claim: str, value: object
    ) -> None:
        token = signed({**claims_of(person.access_token), claim: value}, settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    def test_a_token_signed_with_another_secret_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed(claims_of(person.access_token), settings().jwt_secret + "!")

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    def test_a_token_signed_with_the_refresh_secret_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed(claims_of(person.access_token), settings().jwt_refresh_secret)

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    def test_a_refresh_token_is_refused_as_an_access_token(self, client: FlaskClient, person: SignedIn) -> None:
        assert error_of(me(client, person.refresh_token)) == (401, "INVALID_TOKEN")

    def test_a_refresh_token_signed_with_the_access_secret_is_refused(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        token = signed(claims_of(person.refresh_token), settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
    def test_an_unsigned_token_is_refused(self, client: FlaskClient, person: SignedIn, alg: str) -> None:
        header, payload, _ = signed(claims_of(person.access_token), "", alg=alg).split(".")

        assert error_of(me(client, f"{header}.{payload}.")) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512"), ("RS256", "sha256")])
    def test_another_algorithm_is_refused_even_with_the_right_secret(
        self, client: FlaskClient, person: SignedIn, alg: str, digest: str
    ) -> None:
        token = signed(claims_of(person.access_token), settings().jwt_secret, alg=alg, digest=digest)

        assert error_of(me(client, token)) == (401, "INVALID_TOKEN")

    def test_a_token_whose_claims_were_changed_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        header, _, signature = person.access_token.split(".")
        forged = _base64(json.dumps({**claims_of(person.access_token), "sub": str(ObjectId())}).encode())

        assert error_of(me(client, f"{header}.{forged}.{signature}")) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("claim", ["nbf", "iat"])
    def test_a_token_of_the_future_is_refused_so_that_the_client_refreshes(
        self, client: FlaskClient, person: SignedIn, claim: str
    ) -> None:
        ahead = int(clock.now().timestamp()) + LEEWAY + 10
        token = signed({**claims_of(person.access_token), claim: ahead}, settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "TOKEN_EXPIRED")

    def test_a_host_whose_clock_is_three_seconds_behind_accepts_a_fresh_token(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        with time_machine.travel(clock.now() - timedelta(seconds=3), tick=True):
            assert me(client, person.access_token).status_code == 200

    def test_a_token_expires_after_its_lifetime_and_the_leeway(self, client: FlaskClient, person: SignedIn) -> None:
        expiry = clock.now() + settings().access_token_lifetime
        with time_machine.travel(expiry + timedelta(seconds=LEEWAY - 5), tick=True):
            assert me(client, person.access_token).status_code == 200
        with time_machine.travel(expiry + timedelta(seconds=LEEWAY), tick=True):
            assert error_of(me(client, person.access_token)) == (401, "TOKEN_EXPIRED")

    def test_the_session_of_another_user_is_refused(self, app: Flask, client: FlaskClient, person: SignedIn) -> None:
        others = claims_of(factories.sign_in(app).access_token)
        token = signed({**claims_of(person.access_token), "sid": others["sid"]}, settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "SESSION_REVOKED")

    def test_an_unknown_user_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed({**claims_of(person.access_token), "sub": str(ObjectId())}, settings().jwt_secret)

        assert error_of(me(client, token)) == (401, "USER_NOT_FOUND")

    def test_a_token_has_no_name_or_number(self, person: SignedIn) -> None:
        claims = json.dumps(claims_of(person.access_token))

        assert [one for one in (person.user.mobile_number, person.user.name) if one in claims] == []

    @pytest.mark.parametrize("header", ["Bearer abc", f"Bearer {raw_token(b'[' * 3000)}", "Basic x"])
    def test_a_public_route_ignores_tokens(self, client: FlaskClient, header: str) -> None:
        body = {"mobileNumber": factories.new_mobile()}

        response = client.post("/api/auth/send-otp", json=body, headers={"Authorization": header})

        assert response.status_code == 200


class TestRefreshTokens:
    def test_a_token_that_these_tests_sign_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed(claims_of(person.refresh_token), settings().jwt_refresh_secret)

        assert refresh(client, token).status_code == 200

    @pytest.mark.parametrize("claim", REFRESH_CLAIMS)
    def test_a_token_that_lacks_a_claim_is_refused(self, client: FlaskClient, person: SignedIn, claim: str) -> None:
        token = signed(without(claims_of(person.refresh_token), claim), settings().jwt_refresh_secret)

        assert error_of(refresh(client, token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize(("claim", "value"), [*WRONG_CLAIMS, ("type", "access"), ("gen", "x"), ("gen", None)])
    def test_a_token_with_a_wrong_claim_is_refused(
        self, client: FlaskClient, person: SignedIn, claim: str, value: object
    ) -> None:
        token = signed({**claims_of(person.refresh_token), claim: value}, settings().jwt_refresh_secret)

        assert error_of(refresh(client, token)) == (401, "INVALID_TOKEN")

    def test_an_access_token_is_refused_as_a_refresh_token(self, client: FlaskClient, person: SignedIn) -> None:
        assert error_of(refresh(client, person.access_token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("alg", ["none", "HS512"])
    def test_another_algorithm_is_refused(self, client: FlaskClient, person: SignedIn, alg: str) -> None:
        token = signed(claims_of(person.refresh_token), settings().jwt_refresh_secret, alg=alg, digest="sha512")

        assert error_of(refresh(client, token)) == (401, "INVALID_TOKEN")

    def test_a_token_signed_with_the_access_secret_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        token = signed(claims_of(person.refresh_token), settings().jwt_secret)

        assert error_of(refresh(client, token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("token", ["abc", "..", "a.b.c", "\ud800", raw_token(b"[" * 1400)])
    def test_a_malformed_token_is_refused(self, client: FlaskClient, token: str) -> None:
        assert error_of(refresh(client, token)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("token", [None, 5, "", {}, ["a"], "a" * 2001])
    def test_a_token_of_a_wrong_type_or_length_is_refused_and_not_repeated(
        self, client: FlaskClient, token: object
    ) -> None:
        response = refresh(client, token)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert [set(one) for one in factories.envelope_of(response)["errors"]] == [{"field", "message"}]

    @pytest.mark.parametrize("place", ["header", "query", "cookie"])
    def test_a_refresh_token_is_read_only_from_the_body(
        self, client: FlaskClient, person: SignedIn, place: str
    ) -> None:
        client.set_cookie("refresh_token_cookie", person.refresh_token if place == "cookie" else "")
        headers = {"Authorization": f"Bearer {person.refresh_token}"} if place == "header" else {}
        query = {"refreshToken": person.refresh_token} if place == "query" else None

        response = client.post("/api/auth/refresh-token", query_string=query, headers=headers)

        assert error_of(response) == (400, "VALIDATION_ERROR")

    def test_a_token_expires(self, client: FlaskClient, person: SignedIn) -> None:
        expiry = clock.now() + settings().refresh_token_lifetime
        with time_machine.travel(expiry + timedelta(seconds=LEEWAY), tick=True):
            assert error_of(refresh(client, person.refresh_token)) == (401, "TOKEN_EXPIRED")

    def test_no_token_is_stored(self, database: Any, person: SignedIn) -> None:
        stored = "".join(repr(one) for name in database.list_collection_names() for one in database[name].find())

        assert [one for one in (person.access_token, person.refresh_token) if one in stored] == []
