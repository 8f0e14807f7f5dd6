"""Requests made up from the OpenAPI document, valid ones and broken ones, sent to the running server."""

import os
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
# The rest asks for what only the clinic's rules can say: whether a valid request succeeds.
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
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]  # Schemathesis' own, and too many parts
ENDS_THE_SESSION = r"/logout|/sessions/"


@pytest.mark.parametrize("role", list(Role))
def test_made_up_requests_are_answered_as_the_document_says(server: Clinic, role: Role) -> None:
    server.book(server.patients(1)[0], server.doctor(slots=4))

    statuses, broken = _run(server, server.person(role).headers)

    assert not broken, "\n\n".join(broken)
    assert statuses[200] > 0
    assert statuses[401] < statuses.total() / 2  # or the session was lost on the way


def _run(server: Clinic, headers: dict[str, str]) -> tuple[Counter[int], list[str]]:
    """How often which status was answered, and where an answer broke a promise."""
    statuses: Counter[int] = Counter()
    broken = []
    config = schemathesis.Config.from_dict(
        {
            "headers": headers,
            "continue-on-failure": True,
            "checks": {
                **{name: {"enabled": name in CHECKS} for name in CHECKS | OTHER_CHECKS},
                "negative_data_rejection": {"enabled": True, "expected-statuses": REFUSALS},
            },
            "generation": {"max-examples": EXAMPLES, "database": "none", "no-shrink": not FULL},
            "phases": {name: {"enabled": name in PHASES} for name in ("examples", "coverage", "fuzzing", "stateful")},
        }
    )
    document = schemathesis.openapi.from_url(f"{server.stack.url}/api/openapi.json", config=config)
    for event in from_schema(document.exclude(path_regex=ENDS_THE_SESSION)).execute():
        if isinstance(event, events.ScenarioFinished):
            statuses.update(one.response.status_code for one in event.recorder.interactions.values() if one.response)
            broken += _broken(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            broken.append(repr(event))
    return statuses, broken


def _broken(event: events.ScenarioFinished) -> list[str]:
    return [
        f"{event.recorder.label}: {check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
