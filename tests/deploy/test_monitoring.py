"""The dashboard and the alarms ask for what the processes tell, and alarms ring when they should and not before."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]
from celery import Celery

from arthomed.core import metrics
from dev.servers import Mongo, Valkey, free_port
from tests.factories import new_mobile
from tests.scraping import Series, series_in
from tests.stack import ROOT, Stack, wait_for

pytestmark = pytest.mark.long

PROMTOOL = shutil.which("promtool")
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
PANELS = json.loads((ROOT / "deploy/grafana/arthomed.json").read_text())["panels"]
TARGETS: list[dict[str, Any]] = [target for panel in PANELS for target in panel.get("targets", [])]
OF_PROMETHEUS = {"up": {"job", "instance"}}  # what it knows of each process by itself

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: install prometheus")


def expressions() -> list[str]:
    asked = [*(rule["expr"] for rule in RULES), *(target["expr"] for target in TARGETS)]
    return [expression.replace("$__rate_interval", "5m") for expression in asked]


def selected(expression: str) -> list[promql_parser.VectorSelector]:
    """All the series that an expression asks for."""
    found: list[promql_parser.VectorSelector] = []

    def keep(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(promql_parser.parse(expression), keep)
    return found


@pytest.fixture(scope="module")
def stack(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two web processes and a worker that count: a code that was sent, a refusal, a failed job and a stray file."""
    watched = Stack(
        tmp_path_factory.mktemp("watched"),
        mongodb_uri=mongo.uri("arthomed_watched"),
        redis_url=valkey.url.removesuffix("/0") + "/4",
        parts=("web", "worker"),
        demo=False,
        env={"ENABLE_METRICS": "true", "WEB_CONCURRENCY": "2", "WORKER_METRICS_PORT": str(free_port())},
    )
    with watched:
        person = {"mobileNumber": new_mobile()}
        httpx.post(f"{watched.url}/api/auth/send-otp", json=person).raise_for_status()
        answer = {**person, "otp": watched.code_sent_to(person["mobileNumber"])}
        tokens = httpx.post(f"{watched.url}/api/auth/verify-otp", json=answer).json()["data"]["tokens"]
        headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
        httpx.get(f"{watched.url}/api/users/doctors", headers=headers).raise_for_status()
        httpx.get(f"{watched.url}/api/auth/me")
        broker = Celery("the-tests", broker=watched.env["REDIS_URL"], set_as_current=False)
        broker.send_task("email.send", args=["of-nobody"], queue="email")
        stray = Path(watched.env["UPLOADS_DIR"], "profiles", "nobodys.jpg")
        stray.parent.mkdir(parents=True)
        stray.touch()
        os.utime(stray, (0, 0))
        broker.send_task("files.purge", queue="files")
        yield watched


def told_by(stack: Stack) -> dict[Series, float]:
    """What a scrape of web and worker finds."""
    ports = stack.port, stack.env["WORKER_METRICS_PORT"]
    return series_in("\n".join(httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports))


def labels_of(stack: Stack) -> dict[str, set[str]]:
    """By the name of each series: the names of its labels."""
    found = dict(OF_PROMETHEUS)
    for name, labels in told_by(stack):
        found[name] = {"job", "instance", *(label for label, _ in labels)}
    return found


def test_what_all_processes_of_the_web_counted_is_told_by_each(stack: Stack) -> None:
    series = (
        "arthomed_request_seconds_count",
        frozenset({("route", "/health"), ("method", "GET"), ("status", "200")}),
    )
    before = told_by(stack).get(series, 0)
    for _ in range(20):
        httpx.get(f"{stack.url}/health")

    assert {told_by(stack)[series] - before for _ in range(10)} == {20}


def test_what_dashboard_and_alarms_ask_for_is_told_under_that_name_and_with_those_labels(stack: Stack) -> None:
    asked = [one for expression in expressions() for one in selected(expression)]
    wait_for(lambda: {str(one.name) for one in asked} <= labels_of(stack).keys(), what="the telling of all metrics")

    told = labels_of(stack)
    wrong = {
        f"{one.name}: {matcher.name}"
        for one in asked
        for matcher in one.matchers.matchers
        if matcher.name not in told[str(one.name)]
    }
    assert wrong == set()


def test_all_that_is_counted_is_in_the_dashboard() -> None:
    shown = " ".join(target["expr"] for target in TARGETS)
    assert [metric.name for metric in metrics.ALL if metric.name not in shown] == []


def test_each_line_of_the_dashboard_is_named_by_labels_that_it_has() -> None:
    for target in TARGETS:
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))) - {"le"}
        assert named == grouped or not named, target


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alarm_has_a_severity_and_a_runbook_that_there_is(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert anchor in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}


HEALTHY = {
    'up{job="arthomed-web"}': "1+0x6000",
    'arthomed_request_seconds_count{route="/api/auth/me", status="200"}': "0+60x6000",
    'arthomed_request_seconds_bucket{route="/api/auth/me", status="200", le="1"}': "0+60x6000",
    'arthomed_request_seconds_bucket{route="/api/auth/me", status="200", le="2.5"}': "0+60x6000",
    'arthomed_request_seconds_bucket{route="/api/auth/me", status="200", le="+Inf"}': "0+60x6000",
    'arthomed_refusals_total{code="NO_TOKEN"}': "0+5x6000",
    "arthomed_bookings_total": "0+1x6000",
    "arthomed_codes_sent_total": "0+2x6000",
    "arthomed_codes_verified_total": "0+2x6000",
    'arthomed_messages_total{channel="sms", outcome="sent"}': "0+3x6000",
    "arthomed_slots_generated_total": "0+1x6000",
    'arthomed_job_seconds_count{task="default.sweep_messages", outcome="done"}': "0+6x6000",
    'arthomed_files_set_aside_total{reason="stray"}': "0+0x6000",
    'arthomed_queue_jobs{queue="sms"}': "0+0x6000",
    'arthomed_queue_oldest_seconds{queue="sms"}': "0+0x6000",
}
"""A clinic in order, one value a minute, with a request a second."""

BROKEN = {
    "ArthomedDown": {'up{job="arthomed-web"}': "0+0x6000"},
    "ArthomedUnavailable": {'arthomed_refusals_total{code="SERVICE_UNAVAILABLE"}': "0+2x6000"},
    "ArthomedBrokerAway": {'arthomed_queue_jobs{queue="sms"}': "_x6000"},
    "ArthomedErrors": {'arthomed_request_seconds_count{route="/api/auth/me", status="500"}': "0+2x6000"},
    "ArthomedSlow": {'arthomed_request_seconds_bucket{route="/api/auth/me", status="200", le="1"}': "0+54x6000"},
    "ArthomedJobsWait": {'arthomed_queue_oldest_seconds{queue="sms"}': "121+0x6000"},
    "ArthomedBeatAway": {'arthomed_job_seconds_count{task="default.sweep_messages", outcome="done"}': "600+0x6000"},
    "ArthomedJobsFailed": {'arthomed_failed_jobs{task="sms.send"}': "1+0x6000"},
    "ArthomedMessagesFail": {'arthomed_messages_total{channel="sms", outcome="expired"}': "0+1x6000"},
    "ArthomedCodesUnanswered": {"arthomed_codes_verified_total": "600+0x6000"},
    "ArthomedNothingBookable": {'arthomed_refusals_total{code="SLOT_UNAVAILABLE"}': "0+3x6000"},
    "ArthomedFilesSetAside": {'arthomed_files_set_aside_total{reason="stray"}': "0+1x6000"},
    "ArthomedNoSlots": {"arthomed_slots_generated_total": "600+0x6000"},
}
"""For each alarm what must differ for it to ring, and no other."""


def ringing(folder: Path, minutes: int, series: dict[str, str], alarms: list[str]) -> subprocess.CompletedProcess[str]:
    """Ask promtool whether after so many minutes these alarms ring and no others."""
    rings = [{"labels": f'{{alertname="{alarm}"}}', "value": 1} for alarm in alarms]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": rings,
            }
        ],
    }
    file = folder / "alarms.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]}))
    return subprocess.run(
        [str(PROMTOOL), "test", "rules", file], env=dict(os.environ), capture_output=True, text=True, check=False
    )


@needs_promtool
@pytest.mark.parametrize("alarm", [rule["alert"] for rule in RULES])
def test_an_alarm_rings_when_it_should_and_alone(alarm: str, tmp_path: Path) -> None:
    minutes = 5900 if alarm == "ArthomedNoSlots" else 60

    found = ringing(tmp_path, minutes, {**HEALTHY, **BROKEN[alarm]}, [alarm])
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_no_alarm_rings_while_all_is_well(tmp_path: Path) -> None:
    found = ringing(tmp_path, 5900, HEALTHY, [])
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
@pytest.mark.parametrize("kind", ["rules", "config"])
def test_promtool_takes_the_configuration_of_prometheus(kind: str) -> None:
    file = ALERTS if kind == "rules" else ROOT / "deploy/prometheus/prometheus.yml"
    subprocess.run([str(PROMTOOL), "check", kind, file], check=True, capture_output=True)
