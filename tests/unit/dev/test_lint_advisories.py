"""The audit of the requirements, by the real pip-audit and an advisory service of our own."""

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
    "summary": "Lets anybody in",
    "affected": [
        {
            "package": {"name": "flask", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.1"}]}],
        }
    ],
}
Answer = Callable[[str], tuple[int, Any]]


@contextmanager
def advisory_service(answer: Answer) -> Iterator[str]:
    """Where it is; `answer` gives the status and the body for a package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = answer(asked["package"]["name"])
            body = json.dumps(told).encode()
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


def nothing_known(_: str) -> tuple[int, Any]:
    return 200, {}


def flask_is_bad(package: str) -> tuple[int, Any]:
    return 200, {"vulns": [ADVISORY]} if package == "flask" else {}


def out_of_order(package: str) -> tuple[int, Any]:
    return 503 if package == "flask" else 200, {}


def refused(_: str) -> tuple[int, Any]:
    return 400, {"message": "no such question"}


@pytest.fixture(autouse=True)
def _straight_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in ("flask==3.1.0", "zipp==3.0.0")))
    return file


def test_packages_without_advisories_pass(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service(nothing_known) as url:
        code = lint_advisories.main([str(requirements), "--service", url])
    assert (code, capsys.readouterr().out) == (0, "pip-audit: 2 packages, no known vulnerability\n")


def test_a_vulnerable_package_fails(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service(flask_is_bad) as url:
        code = lint_advisories.main([str(requirements), "--service", url])
    told = "pip-audit: FAILED\nflask 3.1.0: PYSEC-2026-1, fixed in 3.1.1: Lets anybody in\n"
    assert (code, capsys.readouterr().err) == (1, told)


def test_a_service_that_refuses_the_question_fails(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service(refused) as url:
        code = lint_advisories.main([str(requirements), "--service", url])
    assert (code, "400 Client Error" in capsys.readouterr().err) == (1, True)


def test_a_requirement_without_a_hash_fails(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requirements.write_text("flask==3.1.0\n")
    code = lint_advisories.main([str(requirements), "--service", f"http://127.0.0.1:{free_port()}"])
    assert (code, "flask" in capsys.readouterr().err) == (1, True)


def test_a_service_out_of_order_is_skipped_visibly(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with advisory_service(out_of_order) as url:
        code = lint_advisories.main([str(requirements), "--service", url])
    assert (code, "SKIPPED, the advisory service can't be reached: " in capsys.readouterr().out) == (0, True)


def test_a_closed_port_is_skipped_with_its_cause(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_advisories.main([str(requirements), "--service", f"http://127.0.0.1:{free_port()}"])
    assert (code, "refused" in capsys.readouterr().out) == (0, True)


def test_a_proxy_that_is_gone_is_skipped(
    requirements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    code = lint_advisories.main([str(requirements)])
    assert (code, "pip-audit: SKIPPED" in capsys.readouterr().out) == (0, True)


def test_an_audit_without_end_counts_as_out_of_reach(requirements: Path) -> None:
    with pytest.raises(lint_advisories.OutOfReach, match="no end within"):
        lint_advisories.audit([requirements], seconds=0.1)
