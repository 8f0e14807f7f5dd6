"""Attacks of OWASP's API Security Top 10 (2023), 7 and 10: outgoing calls and their responses."""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.config_services import Twilio
from arthomed.infra.sms import TwilioSms
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed
from arthomed.notifications.models import Notification
from tests.api.notifications.fake_twilio import FakeTwilio
from tests.architecture.test_permissions import TABLE, call_route, make_world
from tests.stack import ROOT, wait_for


class TestApi7ServerSideRequestForgery:
    @pytest.fixture
    def trap(self) -> Iterator[socket.socket]:
        """A listening internal socket, whose queue keeps every connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            yield listener

    def test_no_input_causes_an_outgoing_connection(self, app: Flask, client: FlaskClient, trap: Any) -> None:
        place = f"127.0.0.1:{trap.getsockname()[1]}"
        everywhere = dict.fromkeys(("Host", "X-Forwarded-Host", "Referer", "Origin", "X-Callback-URL"), place)
        sent = 0
        for route, row in TABLE.items():
            if row.body is None:
                continue
            world = make_world(app, min(row.roles), row.status)
            own, _ = world.records_of(row)
            for name in row.body(world):
                for value in (f"http://{place}/", f"//{place}/x.png", f"somebody@[{place}]"):
                    call_route(client, route, world, own, headers=everywhere, **{name: value})
                    sent += 1
        for waiting in Notification.objects:
            notifications.send(waiting.id)

        assert sent > 30
        with pytest.raises(BlockingIOError):
            trap.accept()

    def test_only_the_adapters_in_infra_open_connections(self) -> None:
        ways_out = {"requests", "httpx", "urllib3", "aiohttp", "http.client", "smtplib", "socket", "ftplib", "twilio"}
        sources = [*(ROOT / "arthomed").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]

        assert {path.parent.name for path in sources if _imported_by(path) & ways_out} == {"infra"}


def _imported_by(path: Path) -> set[str]:
    found = list(ast.walk(ast.parse(path.read_text())))
    plain = {name.name for node in found if isinstance(node, ast.Import) for name in node.names}
    named = plain | {n.module or "" for n in found if isinstance(n, ast.ImportFrom)}
    return named | {name.split(".")[0] for name in named}


PAGE = b"<html><script>alert('from the gateway')</script></html>"


class TestApi10UnsafeConsumptionOfApis:
    """A compromised SMS gateway."""

    @pytest.fixture
    def gateway(self) -> Iterator[FakeTwilio]:
        with FakeTwilio().running() as twilio:
            yield twilio

    def _send(self, gateway: FakeTwilio) -> DeliveryFailed:
        with pytest.raises(DeliveryFailed) as failed:
            TwilioSms(Twilio("AC0", "a-token", "+15005550006", None, gateway.url)).send(
                "9876543210", "Namaste", kind="code"
            )
        return failed.value

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, gateway: FakeTwilio, status: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.setblocking(False)
            gateway.response = (status, b"")
            gateway.headers = {"Location": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"}

            assert str(self._send(gateway)).startswith(f"twilio {status}")
            with pytest.raises(BlockingIOError):
                elsewhere.accept()

    @pytest.mark.parametrize("status", [200, 201, 400, 500])
    @pytest.mark.parametrize("kind", ["text/html", "application/json"])
    def test_the_body_of_an_unexpected_response_is_not_stored(
        self, gateway: FakeTwilio, status: int, kind: str
    ) -> None:
        gateway.response, gateway.headers = (status, PAGE), {"Content-Type": kind}

        assert "alert" not in str(self._send(gateway))

    def test_an_oversized_response_is_not_read_to_the_end(self, gateway: FakeTwilio) -> None:
        gateway.response = (201, b" " * 50_000_000)

        assert str(self._send(gateway)) == "twilio's response is not JSON"
        assert wait_for(lambda: gateway.was_cut_off, what="the end of the connection")

    def test_the_text_of_a_refusal_is_not_stored(self, gateway: FakeTwilio) -> None:
        forged = {
            "code": 21211,
            "message": "<script>alert(1)</script>",
            "more_info": "http://evil.example/",
            "status": 400,
        }
        gateway.response = (400, forged)

        assert str(self._send(gateway)) == "twilio 400 21211"
