"""The containers run the processes of the Procfile, with all files they need and no further privileges."""

import re
import shlex
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.stack import ROOT

PROCFILE = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE))
APPLICATION = {"migrate", "web", "worker", "codes", "beat"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return parsed


@pytest.mark.parametrize("process", ["web", "worker", "codes", "beat"])
def test_a_container_runs_the_command_of_the_procfile(services: dict[str, Any], process: str) -> None:
    assert services[process]["command"] == shlex.split(PROCFILE[process])


def test_the_image_contains_all_imported_modules() -> None:
    copied = set(re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert {"arthomed", "workers", "migrations", "wsgi.py celeryconfig.py gunicorn.conf.py"} <= copied


def test_dockerignore_allows_every_file_that_the_image_copies() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().split("\n")

    assert "*" in ignored
    assert {f"!{name}" for names in copied for name in names.split()} <= set(ignored)


@pytest.mark.parametrize("service", sorted(APPLICATION | {"nginx"}))
def test_a_service_has_a_read_only_root_and_no_capabilities(services: dict[str, Any], service: str) -> None:
    settings = services[service]

    assert (settings["read_only"], settings["cap_drop"]) == (True, ["ALL"])
    assert settings["security_opt"] == ["no-new-privileges:true"]


def test_only_nginx_publishes_ports(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_the_web_container_declares_nginx_as_its_proxy(services: dict[str, Any]) -> None:
    """Without it, gunicorn refuses to listen on the address that nginx needs."""
    assert services["web"]["environment"]["TRUSTED_PROXIES"] == "1"


def test_only_migrations_connect_as_the_owner_of_the_database(services: dict[str, Any]) -> None:
    owners = {name for name in APPLICATION if "owner:" in services[name]["environment"]["MONGODB_URI"]}

    assert owners == {"migrate"}
