"""The systemd units run the processes of the Procfile, with the paths of the other files and few privileges."""

import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from redis import Redis

from dev.processes import Process
from dev.servers import Mongo, Valkey
from tests.deploy.test_containers import PROCFILE
from tests.stack import BIN, ROOT, Stack, stack_with, wait_for

UNITS = ROOT / "deploy/systemd"
PROCESSES = ["web", "worker", "codes", "beat"]
HOME, USER, ENVIRONMENT_FILE, UPLOADS = "/opt/arthomed", "arthomed", "/etc/arthomed/arthomed.env", "/srv/uploads"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
STARTED = {"web": "Booting worker", "beat": "beat_schedules_jobs"}  # in the log
ACCOUNT = {"SID": f"AC{'0' * 32}", "AUTH_TOKEN": "0" * 32, "PHONE_NUMBER": "+15005550006"}

OWN = {  # what differs between the units
    "Unit": {"Description"},
    "Service": {"Type", "Environment", "ExecStart", "TimeoutStopSec", "MemoryMax", "ReadWritePaths"},
}


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((UNITS / name).read_text())
    return parser


def service(process: str) -> dict[str, str]:
    return dict(unit(f"arthomed-{process}.service")["Service"])


def environment_of(process: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(service(process)["Environment"]))


def command_of(process: str) -> list[str]:
    """The command as systemd runs it: it reads %% as %, and %h would be a folder."""
    return shlex.split(service(process)["ExecStart"].replace("%%", "%"))


def in_compose(process: str) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][process]
    return found


def test_there_is_one_unit_for_each_process_of_the_procfile() -> None:
    assert {file.name for file in UNITS.iterdir()} == {
        "arthomed.target",
        *(f"arthomed-{process}.service" for process in PROCFILE if process != "release"),
    }


@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_runs_the_command_of_the_procfile(process: str) -> None:
    program, *arguments = command_of(process)

    assert [program.removeprefix(f"{HOME}/.venv/bin/"), *arguments] == shlex.split(PROCFILE[process])
    assert re.findall(r"(?<!%)%(?!%)", service(process)["ExecStart"]) == []


@pytest.mark.parametrize("process", PROCESSES)
def test_units_differ_in_their_commands_and_limits_only(process: str) -> None:
    mine, first = unit(f"arthomed-{process}.service"), unit("arthomed-web.service")

    for section in first.sections():
        own = OWN.get(section, set())
        mine_common, first_common = ({k: v for k, v in one[section].items() if k not in own} for one in (mine, first))
        assert mine_common == first_common


def test_a_unit_runs_as_a_user_without_privileges_in_a_read_only_system() -> None:
    expected = {
        "User": USER,
        "EnvironmentFile": ENVIRONMENT_FILE,
        "WorkingDirectory": HOME,
        "Restart": "on-failure",
        "KillMode": "mixed",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
    }

    assert expected.items() <= service("web").items()
    assert f"user {USER};" in (ROOT / "deploy/nginx.conf").read_text()


@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_has_the_limits_of_the_container(process: str) -> None:
    mine, container = service(process), in_compose(process)

    assert mine["MemoryMax"].lower() == container["mem_limit"]
    if "stop_grace_period" in container:
        assert f"{mine['TimeoutStopSec']}s" == container["stop_grace_period"]


def test_web_has_more_time_to_stop_than_gunicorn_takes() -> None:
    [graceful] = re.findall(r"^graceful_timeout = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)

    assert int(service("web")["TimeoutStopSec"]) > int(graceful)
    assert service("web")["Type"] == "notify"


@pytest.mark.parametrize("process", ["worker", "codes"])
def test_a_worker_has_the_time_of_the_longest_task_to_stop(process: str) -> None:
    [longest] = re.findall(r"^task_time_limit = (\d+)", (ROOT / "celeryconfig.py").read_text(), re.MULTILINE)

    assert int(service(process)["TimeoutStopSec"]) >= int(longest)


@pytest.mark.parametrize("process", PROCESSES)
def test_settings_of_a_unit_are_documented_and_those_of_the_other_files(process: str) -> None:
    environment, nginx = environment_of(process), (ROOT / "deploy/nginx.conf").read_text()
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "README.md").read_text()))

    assert set(environment) - {"PYTHONDONTWRITEBYTECODE"} <= documented
    assert environment["UPLOADS_DIR"] == UPLOADS
    assert f"location {environment['UPLOADS_ACCEL_PREFIX']}/ {{" in nginx
    assert f"alias {UPLOADS}/;" in nginx
    assert f"UPLOADS_DIR={UPLOADS}\n" in (ROOT / ".env.example").read_text()
    assert service(process).get("ReadWritePaths") == (None if process == "beat" else UPLOADS)


def test_operations_describe_the_paths_and_units() -> None:
    text = (ROOT / "docs/operations.md").read_text()

    assert [
        name for name in (HOME, ENVIRONMENT_FILE, UPLOADS, "deploy/systemd", "arthomed.target") if name not in text
    ] == []
    assert [process for process in PROCESSES if f"arthomed-{process}" not in text] == []


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed: install systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for file in UNITS.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace(f"{HOME}/.venv/bin", str(BIN)))  # which must exist
    done = subprocess.run(
        [str(SYSTEMD_ANALYZE), "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture(scope="module")
def stack(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A migrated database, with the example of the environment file filled in, and no process yet."""
    folder = tmp_path_factory.mktemp("systemd")
    with stack_with(mongo, valkey, folder, redis=7, parts=()) as prepared:
        values = {
            "MONGODB_URI": prepared.env["MONGODB_URI"],
            "REDIS_URL": prepared.env["REDIS_URL"],
            "UPLOADS_DIR": str(folder / "uploads"),
            "SMTP_URL": "smtp://127.0.0.1:2525",
            "EMAIL_FROM": """'"Arthomed, Pune" <clinic@example.com>'""",
            **{name: secrets.token_urlsafe(48) for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")},
            **{f"TWILIO_{'ACCOUNT_' * (name == 'SID')}{name}": value for name, value in ACCOUNT.items()},
        }
        examples = re.findall(r"^([A-Z]\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
        filled = [f"{name}={values.get(name, example)}" for name, example in examples]
        (folder / "arthomed.env").write_text("\n".join(filled))
        yield prepared


@pytest.mark.long
@pytest.mark.parametrize("process", PROCESSES)
def test_a_unit_starts_with_the_environment_file_and_ends_in_time_at_sigterm(stack: Stack, process: str) -> None:
    [program, *arguments] = command_of(process)
    words = shlex.split((stack.folder / "arthomed.env").read_text())
    stack.env = {
        "PATH": os.environ["PATH"],
        **environment_of(process),
        **dict(word.split("=", 1) for word in words),
        "PORT": str(stack.port),
    }
    running = stack.start(process, program.replace(f"{HOME}/.venv/bin", str(BIN)), *arguments)

    with Redis.from_url(stack.env["REDIS_URL"]) as redis:
        wait_for(lambda: _has_started(process, running, redis), what=f"the start of {process}")
    os.kill(running.pid, signal.SIGTERM)
    wait_for(
        lambda: running.exit_code is not None,
        seconds=int(service(process)["TimeoutStopSec"]),
        what=f"the end of {process}",
    )

    assert (running.exit_code, "Traceback" in running.log.read_text()) == (0, False)


def _has_started(process: str, running: Process, redis: Redis) -> bool:
    if process in STARTED:
        return STARTED[process] in running.log.read_text()
    return bool(redis.zcard("arthomed:workers"))
