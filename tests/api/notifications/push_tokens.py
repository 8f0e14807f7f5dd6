"""Push tokens of phones, and their registration."""

from flask.testing import FlaskClient

from tests.factories import SignedIn, data_of

PATH = "/api/auth/sessions/current/push-token"
TOKENS = [f"{number}-token-of-a-phone:APA91b" for number in range(3)]


def register_token(client: FlaskClient, user: SignedIn, token: str) -> None:
    data_of(client.put(PATH, json={"pushToken": token}, headers=user.headers))
