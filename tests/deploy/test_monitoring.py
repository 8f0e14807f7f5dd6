"""The dashboard and the alerts query existing metrics, and each alert fires when it should and only then."""

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
from tests.stack import ROOT, Stack, stack_with, wait_for

pytestmark = pytest.mark.long

PROMTOOL = shutil.which("promtool")
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
PANELS = json.loads((ROOT / "deploy/grafana/arthomed.json").read_text())["panels"]
TARGETS: list[dict[str, Any]] = [target for panel in PANELS for target in panel.get("targets", [])]
PROMETHEUS_SERIES = {"up": {"job", "instance"}}  # Prometheus adds them itself

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: install prometheus")


def expressions() -> list[str]:
    queries = [*(rule["expr"] for rule in RULES), *(target["expr"] for target in TARGETS)]
    return [expression.replace("$__rate_interval", "5m") for expression in queries]


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """All series selectors of an expression."""
    found: list[promql_parser.VectorSelector] = []

    def collect(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(promql_parser.parse(expression), collect)
    return found


@pytest.fixture(scope="module")
def stack(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two web processes and a worker with metrics of a sign-in, an error response, a failed job and a stray file."""
    env = {
        "ENABLE_METRICS": "true",
        "WEB_CONCURRENCY": "2",
        "WORKER_METRICS_PORT": str(free_port()),
        "OTP_TO_STRANGERS_HOUR": "2",
    }
    folder = tmp_path_factory.mktemp("monitored")
    with stack_with(mongo, valkey, folder, redis=4, parts=("web", "worker"), env=env) as monitored:
        person, *strangers = ({"mobileNumber": new_mobile()} for _ in range(3))
        httpx.post(f"{monitored.url}/api/auth/send-otp", json=person).raise_for_status()
        verification = {**person, "otp": monitored.code_sent_to(person["mobileNumber"])}
        tokens = httpx.post(f"{monitored.url}/api/auth/verify-otp", json=verification).json()["data"]["tokens"]
        for stranger in strangers:  # the second one is over the quota
            httpx.post(f"{monitored.url}/api/auth/send-otp", json=stranger).raise_for_status()
        headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
        httpx.get(f"{monitored.url}/api/users/doctors", headers=headers).raise_for_status()
        httpx.get(f"{monitored.url}/api/auth/me")
        broker = Celery("tests", broker=monitored.env["REDIS_URL"], set_as_current=False)
        broker.send_task("email.send", args=["not-an-id"], queue="email")
        stray = Path(monitored.env["UPLOADS_DIR"], "profiles", "stray.jpg")
        stray.parent.mkdir(parents=True)
        stray.touch()
        os.utime(stray, (0, 0))
        broker.send_task("files.purge", queue="files")
        yield monitored


def scrape(stack: Stack) -> dict[Series, float]:
    """Scrape the web process and the worker."""
    ports = stack.port, stack.env["WORKER_METRICS_PORT"]
    return series_in("\n".join(httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports))


def labels_of(stack: Stack) -> dict[str, set[str]]:
    """The labels of each series, by name."""
    found = dict(PROMETHEUS_SERIES)
    for name, labels in scrape(stack):
        found[name] = {"job", "instance", *(label for label, _ in labels)}
    return found


def test_each_web_process_exports_the_sum_of_all(stack: Stack) -> None:
    series = ("arthomed_request_seconds_count", frozenset({("route", "/health"), ("method", "GET"), ("status", "200")}))
    before = scrape(stack).get(series, 0)
    for _ in range(20):
        httpx.get(f"{stack.url}/health")

    assert {scrape(stack)[series] - before for _ in range(10)} == {20}


def test_dashboard_and_alerts_query_existing_series_and_labels(stack: Stack) -> None:
    queried = [selector for expression in expressions() for selector in selectors(expression)]
    wait_for(lambda: {str(selector.name) for selector in queried} <= labels_of(stack).keys(), what="all metrics")

    labels = labels_of(stack)
    unknown = {
        f"{selector.name}: {matcher.name}"
        for selector in queried
        for matcher in selector.matchers.matchers
        if matcher.name not in labels[str(selector.name)]
    }
    assert unknown == set()


def test_the_dashboard_shows_every_metric() -> None:
    queries = " ".join(target["expr"] for target in TARGETS)
    assert [metric.name for metric in metrics.ALL if metric.name not in queries] == []


def test_each_legend_of_the_dashboard_uses_labels_of_its_query() -> None:
    for target in TARGETS:
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))) - {"le"}
        assert named == grouped or not named, target


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_and_an_existing_runbook(rule: dict[str, Any]) -> None:
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
"""Series of a healthy clinic, one value each minute, with one request each second."""

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
    "ArthomedCodeQuotaHalfUsed": {'arthomed_code_quotas_half_used_total{quota="strangers"}': "_x30 1+0x6000"},
    "ArthomedNothingBookable": {'arthomed_refusals_total{code="SLOT_UNAVAILABLE"}': "0+3x6000"},
    "ArthomedFilesSetAside": {'arthomed_files_set_aside_total{reason="stray"}': "0+1x6000"},
    "ArthomedNoSlots": {"arthomed_slots_generated_total": "600+0x6000"},
}
"""For each alert the series that make it fire, and no other alert."""


def run_promtool(
    folder: Path, minutes: int, series: dict[str, str], alerts: list[str]
) -> subprocess.CompletedProcess[str]:
    """Check with promtool that exactly these alerts fire after `minutes`."""
    firing = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minutes}m",
                "exp_samples": firing,
            }
        ],
    }
    file = folder / "alerts-test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]}))
    return subprocess.run(
        [str(PROMTOOL), "test", "rules", file], env=dict(os.environ), capture_output=True, text=True, check=False
    )


@needs_promtool
@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_an_alert_fires_on_its_condition_and_no_other_does(alert: str, tmp_path: Path) -> None:
    minutes = 5900 if alert == "ArthomedNoSlots" else 60

    result = run_promtool(tmp_path, minutes, {**HEALTHY, **BROKEN[alert]}, [alert])
    assert result.returncode == 0, result.stdout + result.stderr


@needs_promtool
def test_no_alert_fires_for_a_healthy_clinic(tmp_path: Path) -> None:
    result = run_promtool(tmp_path, 5900, HEALTHY, [])
    assert result.returncode == 0, result.stdout + result.stderr


@needs_promtool
@pytest.mark.parametrize("kind", ["rules", "config"])
def test_promtool_accepts_the_configuration(kind: str) -> None:
    file = ALERTS if kind == "rules" else ROOT / "deploy/prometheus/prometheus.yml"
    subprocess.run([str(PROMTOOL), "check", kind, file], check=True, capture_output=True)
