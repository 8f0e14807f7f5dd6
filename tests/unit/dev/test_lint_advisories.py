"""The audit of the requirements with the real pip-audit and a local advisory service."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from dev import lint_advisories
from dev.servers import free_port
from tests.fake_http import FakeHttp

pytestmark = pytest.mark.long

ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "Authentication bypass",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.1"}]}],
        }
    ],
}
Audit = Callable[[int, Any], tuple[int, str]]


@dataclass
class AdvisoryService(FakeHttp):
    """`about_flask` is the response about Flask; other packages have no advisories."""

    about_flask: tuple[int, Any] = (200, {})

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, Any]:
        del path, headers
        return self.about_flask if json.loads(body)["package"]["name"] == "flask" else (200, {})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in ("flask==3.1.0", "zipp==3.0.0")))
    return file


@pytest.fixture
def audit(requirements: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Audit with this response of the service about flask; returns the exit code, and the output or the error."""

    def run(status: int, advisories: Any) -> tuple[int, str]:
        with AdvisoryService(about_flask=(status, advisories)).running() as service:
            code = lint_advisories.main([str(requirements), "--service", f"{service.url}/v1/query"])
        printed = capsys.readouterr()
        return code, printed.err if code else printed.out

    return run


def test_packages_without_advisories_pass(audit: Audit) -> None:
    assert audit(200, {}) == (0, "pip-audit: 2 packages, no known vulnerability\n")


def test_a_vulnerable_package_fails(audit: Audit) -> None:
    report = "pip-audit: FAILED\nflask 3.1.0: PYSEC-2026-1, fixed in 3.1.1: Authentication bypass\n"
    assert audit(200, {"vulns": [ADVISORY]}) == (1, report)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(400, 1, "400 Client Error"), (503, 0, "SKIPPED, the advisory service can't be reached: ")],
)
def test_a_refused_query_fails_and_an_unavailable_service_is_skipped_visibly(
    audit: Audit, status: int, code: int, message: str
) -> None:
    found, output = audit(status, {"message": "bad query"})
    assert (found, message in output) == (code, True)


def test_a_requirement_without_a_hash_fails(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requirements.write_text("flask==3.1.0\n")
    code = lint_advisories.main([str(requirements), "--service", f"http://127.0.0.1:{free_port()}"])
    assert (code, "flask" in capsys.readouterr().err) == (1, True)


def test_a_refused_connection_is_skipped_with_its_cause(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_advisories.main([str(requirements), "--service", f"http://127.0.0.1:{free_port()}"])
    assert (code, "refused" in capsys.readouterr().out) == (0, True)


def test_an_unreachable_proxy_is_skipped(
    requirements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    code = lint_advisories.main([str(requirements)])
    assert (code, "pip-audit: SKIPPED" in capsys.readouterr().out) == (0, True)


def test_an_audit_that_does_not_end_in_time_raises_service_unreachable(requirements: Path) -> None:
    with pytest.raises(lint_advisories.ServiceUnreachable, match="did not end within"):
        lint_advisories.audit([requirements], seconds=0.1)
