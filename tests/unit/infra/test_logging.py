"""What errors leave in the logs: where they came from and of which kind they are, never what they quote."""

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from celery import Celery
from flask import Flask
from mongoengine.connection import get_db
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from arthomed.config import settings
from arthomed.infra import logging as our_logging
from tests.factories import another_app, make_user

MOBILE = "9812345670"
Logged = Callable[[], str]


@pytest.fixture(params=[True, False], ids=["json", "console"])
def logged(request: pytest.FixtureRequest, app: Flask, capsys: pytest.CaptureFixture[str]) -> Iterator[Logged]:
    """What was written since; in both forms."""
    our_logging.set_up("info", as_json=request.param)
    yield lambda: capsys.readouterr().err
    our_logging.set_up(settings().log_level, as_json=settings().is_production)


def refusal_of(database: Database[dict[str, Any]]) -> DuplicateKeyError:
    """The database's own, which quotes the number."""
    make_user(mobile_number=MOBILE)
    stored = database["users"].find_one({"mobileNumber": MOBILE}, {"_id": False})
    with pytest.raises(DuplicateKeyError, match=MOBILE) as refused:
        database["users"].insert_one(dict(stored or {}))
    return refused.value


def test_a_duplicate_key_leaves_its_kind_and_place(database: Database[dict[str, Any]], logged: Logged) -> None:
    structlog.get_logger().error("unexpected_error", exc_info=refusal_of(database))
    told = logged()
    assert (MOBILE in told, "DuplicateKeyError 11000" in told, "in refusal_of" in told) == (False, True, True)


def test_the_web_process_does_not_quote_an_error(database: Database[dict[str, Any]], logged: Logged) -> None:
    with another_app() as app:
        our_logging.set_up("info", as_json=True)

        @app.get("/refused")
        def refused() -> str:
            raise refusal_of(get_db())  # of this application: it has a connection of its own

        assert app.test_client().get("/refused").status_code == 500
    told = logged()
    assert (MOBILE in told, "DuplicateKeyError 11000" in told) == (False, True)


def test_what_led_to_an_error_is_not_quoted(database: Database[dict[str, Any]], logged: Logged) -> None:
    try:
        try:
            raise refusal_of(database)
        except DuplicateKeyError as error:
            raise ValueError(MOBILE) from error
    except ValueError:
        structlog.get_logger().exception("unexpected_error")
    told = logged()
    assert (MOBILE in told, "DuplicateKeyError 11000" in told, "ValueError" in told) == (False, True, True)


def test_a_failed_task_is_not_quoted(database: Database[dict[str, Any]], logged: Logged) -> None:
    celery = Celery("tests", set_as_current=False)

    @celery.task(name="failing", shared=False)  # not of the other applications in this process
    def failing() -> None:
        raise refusal_of(database)

    failing.apply()
    told = logged()
    kind, place = "DuplicateKeyError 11000", "failing["
    assert (MOBILE in told, kind in told, place in told) == (False, True, True)


def test_a_library_that_quotes_a_request_is_not_quoted(logged: Logged) -> None:
    line = f"GET /api/users?search={MOBILE}"
    try:
        int(line)
    except ValueError as error:  # as gunicorn does
        logging.getLogger("gunicorn.error").warning(f"Invalid request from ip=127.0.0.1: {error!s}")  # noqa: G004
        logging.getLogger("gunicorn.error").exception("Error handling request %s", line)
    told = logged()
    assert (MOBILE in told, "ip=127.0.0.1: ValueError" in told, "Error handling request" in told) == (False, True, True)


@pytest.mark.parametrize("words", [("%s", ValueError(MOBILE)), (ValueError(MOBILE),)], ids=["argument", "message"])
def test_an_error_as_a_word_is_not_quoted(logged: Logged, words: tuple[Any, ...]) -> None:
    logging.getLogger("celery").error(*words)
    told = logged()
    assert (MOBILE in told, "ValueError" in told) == (False, True)


def test_other_words_of_libraries_stay(logged: Logged) -> None:
    logging.getLogger("celery").warning("Substantial drift from %s: %d s", "worker-1", 3)
    assert "Substantial drift from worker-1: 3 s" in logged()


def test_errors_that_lead_to_each_other_end(logged: Logged) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    structlog.get_logger().error("unexpected_error", exc_info=first)
    assert "ValueError" in logged()


def test_lines_go_to_the_standard_error_of_the_moment(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    structlog.get_logger().info("appointment_booked")
    assert logged() == ""
