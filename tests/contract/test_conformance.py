"""Schemathesis generates valid and invalid requests from the OpenAPI document, and checks the server's responses."""

import os
import re
from collections import Counter

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from arthomed.core.permissions import Role
from tests.faults.clinic import Clinic

pytestmark = pytest.mark.long

FULL = os.environ.get("FAULTS") == "full"
PHASES = {"examples", "fuzzing", *({"coverage", "stateful"} if FULL else ())}
EXAMPLES = 50 if FULL else 1
# The other checks expect a valid request to succeed, which depends on the clinic's rules.
CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
}
OTHER_CHECKS = {
    "positive_data_acceptance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
    "object_level_authorization",
}
ERRORS = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]  # the defaults, and 413
_BLANK_PARAMETER = re.compile(r"[?&]\w+=(&|')")  # is absent for the server, which a schema cannot say
ENDS_THE_SESSION = r"/logout|/sessions/"


@pytest.mark.parametrize("role", list(Role))
def test_server_conforms_to_the_document(server: Clinic, role: Role) -> None:
    server.book(server.patients(1)[0], server.doctor(slots=4))

    statuses, failures = _run(server, server.person(role).headers)

    assert not failures, "\n\n".join(failures)
    assert statuses[200] > 0
    assert statuses[401] < statuses.total() / 2  # the session is still alive


def _run(server: Clinic, headers: dict[str, str]) -> tuple[Counter[int], list[str]]:
    """Run Schemathesis; returns the number of responses by status, and the failed checks."""
    statuses: Counter[int] = Counter()
    failures = []
    config = schemathesis.Config.from_dict(
        {
            "headers": headers,
            "continue-on-failure": True,
            "checks": {
                **{name: {"enabled": name in CHECKS} for name in CHECKS | OTHER_CHECKS},
                "negative_data_rejection": {"enabled": True, "expected-statuses": ERRORS},
            },
            "generation": {"max-examples": EXAMPLES, "database": "none", "no-shrink": not FULL},
            "phases": {name: {"enabled": name in PHASES} for name in ("examples", "coverage", "fuzzing", "stateful")},
        }
    )
    document = schemathesis.openapi.from_url(f"{server.stack.url}/api/openapi.json", config=config)
    for event in from_schema(document.exclude(path_regex=ENDS_THE_SESSION)).execute():
        if isinstance(event, events.ScenarioFinished):
            statuses.update(one.response.status_code for one in event.recorder.interactions.values() if one.response)
            failures += _failures(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(repr(event))
    return statuses, failures


def _failures(event: events.ScenarioFinished) -> list[str]:
    return [
        f"{event.recorder.label}: {check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
        and not (check.name == "negative_data_rejection" and _BLANK_PARAMETER.search(check.failure_info.code_sample))
    ]
