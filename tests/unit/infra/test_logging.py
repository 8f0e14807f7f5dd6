"""Errors in the logs: their type and their traceback, never their text, which may quote personal data."""

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from celery import Celery
from flask import Flask
from mongoengine.connection import get_db
from pymongo.errors import DuplicateKeyError

from arthomed.config import settings
from arthomed.infra import logging as our_logging
from tests.factories import Records, another_app, make_user

MOBILE = "9812345670"
Logged = Callable[[], str]


@pytest.fixture(params=[True, False], ids=["json", "console"])
def logged(request: pytest.FixtureRequest, app: Flask, capsys: pytest.CaptureFixture[str]) -> Iterator[Logged]:
    """Return what was logged since the last call; runs each test with both formats."""
    our_logging.configure("info", as_json=request.param)
    yield lambda: capsys.readouterr().err
    our_logging.configure(settings().log_level, as_json=settings().is_production)


def duplicate_key_error(database: Records) -> DuplicateKeyError:
    """An error of MongoDB that quotes the phone number."""
    make_user(mobile_number=MOBILE)
    stored = database["users"].find_one({"mobileNumber": MOBILE}, {"_id": False})
    with pytest.raises(DuplicateKeyError, match=MOBILE) as refused:
        database["users"].insert_one(dict(stored or {}))
    return refused.value


def test_a_duplicate_key_error_is_logged_with_its_type_and_traceback(database: Records, logged: Logged) -> None:
    structlog.get_logger().error("unexpected_error", exc_info=duplicate_key_error(database))
    output = logged()
    assert (MOBILE in output, "DuplicateKeyError 11000" in output, "in duplicate_key_error" in output) == (
        False,
        True,
        True,
    )


def test_the_web_process_does_not_log_the_text_of_an_error(database: Records, logged: Logged) -> None:
    with another_app() as app:
        our_logging.configure("info", as_json=True)

        @app.get("/refused")
        def error_of() -> str:
            raise duplicate_key_error(get_db())  # this application has its own connection

        assert app.test_client().get("/refused").status_code == 500
    output = logged()
    assert (MOBILE in output, "DuplicateKeyError 11000" in output) == (False, True)


def test_the_text_of_the_cause_of_an_error_is_not_logged(database: Records, logged: Logged) -> None:
    try:
        try:
            raise duplicate_key_error(database)
        except DuplicateKeyError as error:
            raise ValueError(MOBILE) from error
    except ValueError:
        structlog.get_logger().exception("unexpected_error")
    output = logged()
    assert (MOBILE in output, "DuplicateKeyError 11000" in output, "ValueError" in output) == (False, True, True)


def test_the_text_of_the_error_of_a_failed_task_is_not_logged(database: Records, logged: Logged) -> None:
    celery = Celery("tests", set_as_current=False)

    @celery.task(name="failing", shared=False)  # not registered with other applications in this process
    def failing() -> None:
        raise duplicate_key_error(database)

    failing.apply()
    output = logged()
    error_type, task_id = "DuplicateKeyError 11000", "failing["
    assert (MOBILE in output, error_type in output, task_id in output) == (False, True, True)


def test_the_request_in_a_record_of_gunicorn_is_not_logged(logged: Logged) -> None:
    line = f"GET /api/users?search={MOBILE}"
    try:
        int(line)
    except ValueError as error:  # like gunicorn
        logging.getLogger("gunicorn.error").warning(f"Invalid request from ip=127.0.0.1: {error!s}")  # noqa: G004
        logging.getLogger("gunicorn.error").exception("Error handling request %s", line)
    output = logged()
    assert (MOBILE in output, "ip=127.0.0.1: ValueError" in output, "Error handling request" in output) == (
        False,
        True,
        True,
    )


@pytest.mark.parametrize("arguments", [("%s", ValueError(MOBILE)), (ValueError(MOBILE),)], ids=["argument", "message"])
def test_the_text_of_an_error_in_the_arguments_of_a_record_is_not_logged(
    logged: Logged, arguments: tuple[Any, ...]
) -> None:
    logging.getLogger("celery").error(*arguments)
    output = logged()
    assert (MOBILE in output, "ValueError" in output) == (False, True)


def test_arguments_that_are_not_errors_are_logged(logged: Logged) -> None:
    logging.getLogger("celery").warning("Substantial drift from %s: %d s", "worker-1", 3)
    assert "Substantial drift from worker-1: 3 s" in logged()


def test_the_traceback_of_errors_with_circular_causes_ends(logged: Logged) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    structlog.get_logger().error("unexpected_error", exc_info=first)
    assert "ValueError" in logged()


def test_lines_are_written_to_the_current_standard_error(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    structlog.get_logger().info("appointment_booked")
    assert logged() == ""
