"""The containers run what the Procfile runs, with nothing of ours left out, and nothing that they need not have."""

import re
import shlex
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.stack import ROOT

PROCFILE = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE))
OURS = {"migrate", "web", "worker", "codes", "beat"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


@pytest.mark.parametrize("process", ["web", "worker", "codes", "beat"])
def test_a_process_is_that_of_the_procfile(services: dict[str, Any], process: str) -> None:
    assert services[process]["command"] == shlex.split(PROCFILE[process])


def test_the_image_has_all_that_the_processes_import() -> None:
    copied = set(re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert {"arthomed", "workers", "migrations", "wsgi.py celeryconfig.py gunicorn.conf.py"} <= copied


def test_what_the_image_copies_is_sent_to_the_engine() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().split("\n")

    assert "*" in ignored
    assert {f"!{name}" for names in copied for name in names.split()} <= set(ignored)


@pytest.mark.parametrize("service", sorted(OURS | {"nginx"}))
def test_a_service_can_write_nowhere_but_where_it_must(services: dict[str, Any], service: str) -> None:
    found = services[service]

    assert (found["read_only"], found["cap_drop"]) == (True, ["ALL"])
    assert found["security_opt"] == ["no-new-privileges:true"]


def test_only_nginx_is_reached_from_outside(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_only_migrations_are_the_owner_of_the_database(services: dict[str, Any]) -> None:
    owners = {name for name in OURS if "owner:" in services[name]["environment"]["MONGODB_URI"]}

    assert owners == {"migrate"}
