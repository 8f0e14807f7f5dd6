"""The audit of the requirements with the real pip-audit and a local advisory service."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dev import lint_advisories
from dev.servers import free_port

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
Respond = Callable[[str], tuple[int, Any]]
Audit = Callable[[int, Any], tuple[int, str]]


@contextmanager
def advisory_service(respond: Respond) -> Iterator[str]:
    """Yield the URL of the service; `respond` returns the status and the body for a package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, advisories = respond(query["package"]["name"])
            body = json.dumps(advisories).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            serving.join()


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
        with advisory_service(lambda package: (status, advisories) if package == "flask" else (200, {})) as url:
            code = lint_advisories.main([str(requirements), "--service", url])
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
