"""Malformed queue entries end neither a worker nor `make run`, and become dead letters."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from pymongo import MongoClient
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.core import metrics
from arthomed.infra import failed_jobs
from arthomed.infra import mongo as mongo_client
from dev.processes import Process
from dev.servers import Mongo, Valkey, free_port
from tests import factories
from tests.attacks.malformed_entries import IGNORED, KINDS, TASK, dump, job
from tests.factories import Records
from tests.stack import BIN, QUEUES, ROOT, Stack, children, kill_group, wait_for

StartWorker = Callable[[], "AttackedWorker"]
Scrape = Callable[[], TestResponse]
QUEUE = TASK.partition(".")[0]
UNKNOWN_TASKS = {"no.such", "celery.chord_unlock"}


def expected_id(raw: bytes) -> str:
    """The end of the dead letter's id: a hash for entries that name no task."""
    for task in UNKNOWN_TASKS:
        if f'"task": "{task}", "id"'.encode() in raw:
            return f"{task}:1"
    return hashlib.sha256(raw).hexdigest()[:16]


class AttackedWorker:
    """A worker process, its queues and its dead letters."""

    def __init__(self, stack: Stack, redis: Any, records: Records) -> None:
        self.stack, self.redis, self.records = stack, redis, records
        command = (BIN / "celery", "-A", "workers.app", "worker", "-Q", QUEUES, "-c", "1", "--without-mingle")
        self.process = stack.start("worker", *command)

    def dead_letters(self) -> list[str]:
        return [failed["_id"] for failed in self.records.failed_jobs.find()]

    def is_listed(self, *ends: str) -> bool:
        listed = self.dead_letters()
        return all(any(letter.endswith(end) for letter in listed) for end in ends)

    def require_next_job(self) -> None:
        """Check that the worker runs the next job without having reconnected."""
        self.redis.lpush(QUEUE, dump(job("next")))
        wait_for(lambda: self.is_listed(f"{TASK}:next"), what="the next job")
        assert self.process.exit_code is None
        assert "Connection to broker lost" not in self.process.log.read_text()


@pytest.fixture
def start_worker(database: Records, environment: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    mongodb_uri, redis_url = environment["MONGODB_URI"], environment["REDIS_URL"]
    stack = Stack(tmp_path, mongodb_uri=mongodb_uri, redis_url=redis_url, env={"VAR_DIR": environment["VAR_DIR"]})
    with Redis.from_url(redis_url) as redis, ExitStack() as running:

        def start() -> AttackedWorker:
            worker = AttackedWorker(stack, redis, database)
            running.callback(kill_group, worker.process)
            return worker

        yield start


@pytest.fixture
def worker(start_worker: StartWorker) -> AttackedWorker:
    return start_worker()


@pytest.fixture
def scrape(app: Flask, database: Records) -> Iterator[Scrape]:
    with factories.another_app(metrics_enabled=True) as application:
        client = application.test_client()
        yield lambda: client.get("/metrics")
    metrics.use(metrics.discard)


@pytest.mark.parametrize(
    "kinds", [dict([*KINDS.items()][::4]), pytest.param(KINDS, marks=pytest.mark.long)], ids=["a quarter", "all"]
)
def test_every_kind_of_malformed_entry_becomes_a_dead_letter_and_the_worker_goes_on(
    worker: AttackedWorker, app: Flask, environment: dict[str, str], kinds: dict[str, bytes]
) -> None:
    assert len(kinds) >= 25
    worker.redis.lpush(QUEUE, *kinds.values())

    ends = [expected_id(raw) for raw in kinds.values()]
    wait_for(lambda: worker.is_listed(*ends), what="all dead letters")
    worker.require_next_job()
    listed = app.test_cli_runner().invoke(args=["jobs", "failed"]).output
    mongo_client.open_database(environment["MONGODB_URI"], timeout_ms=mongo_client.WEB_TIMEOUT_MS)  # as before
    assert [kind for kind, raw in kinds.items() if expected_id(raw) not in listed] == []


def test_a_malformed_entry_in_front_of_a_queue_does_not_break_the_metrics(scrape: Scrape, redis: Any) -> None:
    broken = []
    for kind, raw in {**KINDS, **IGNORED}.items():
        redis.delete(QUEUE)
        redis.lpush(QUEUE, raw)
        response = scrape()
        if response.status_code != 200 or f'arthomed_queue_jobs{{queue="{QUEUE}"}} 1.0' not in response.text:
            broken.append(kind)
    assert broken == []


def test_malformed_dead_letters_share_one_label_of_the_metrics(scrape: Scrape, database: Records) -> None:
    for task in ("no.such", "<script>", failed_jobs.MALFORMED):
        failed_jobs.record(task, ["1"], error="UnknownTask", attempts=1)

    assert 'arthomed_failed_jobs{task="malformed"} 3.0' in scrape().text


@pytest.mark.long
def test_a_job_of_an_unknown_task_is_listed_with_its_ids(worker: AttackedWorker) -> None:
    worker.redis.lpush(QUEUE, dump(job("1", task="files.of_tomorrow")))
    wait_for(lambda: worker.is_listed("files.of_tomorrow:1"), what="the dead letter")

    assert worker.records.failed_jobs.find_one({"job": "files.of_tomorrow"}, {"_id": 0, "ids": 1, "error": 1}) == {
        "ids": ["1"],
        "error": "UnknownTask",
    }


@pytest.mark.long
def test_headers_that_no_job_uses_are_ignored(worker: AttackedWorker) -> None:
    for number, raw in enumerate(IGNORED.values()):
        entry = json.loads(raw)
        entry["body"] = job(f"id-{number}")["body"]
        worker.redis.lpush(QUEUE, dump(entry))

    wait_for(lambda: worker.is_listed(*(f"{TASK}:id-{number}" for number in range(len(IGNORED)))), what="all jobs")
    worker.require_next_job()


@pytest.mark.long
def test_malformed_unacknowledged_entries_do_not_stop_the_return_of_others(worker: AttackedWorker) -> None:
    garbage = [*KINDS.values(), *map(as_unacked, filter(is_json_without_unknown_task, KINDS.values()))]
    garbage += [dump(entry) for entry in ([job("1"), "gone", QUEUE], [job("1"), "", "gone"], [5, 5, 5])]
    taken = {f"garbage-{number}": raw for number, raw in enumerate(garbage)}
    taken["of a killed worker"] = as_unacked(dump(job("taken")))
    worker.redis.hset("unacked", mapping=taken)
    worker.redis.zadd("unacked_index", dict.fromkeys(taken, 1.0) | {"without an entry": 1.0, b"\xff": 1.0})

    wait_for(lambda: worker.is_listed(f"{TASK}:taken"), seconds=60, what="the job of the killed worker")
    wait_for(lambda: worker.redis.zcard("unacked_index") == 0, what="an empty index")
    hashes = [hashlib.sha256(raw).hexdigest()[:16] for raw in garbage]
    wait_for(lambda: worker.is_listed(*hashes), seconds=60, what="all dead letters")
    worker.require_next_job()


def as_unacked(raw: bytes) -> bytes:
    """An entry as kombu stores it while a worker runs its job."""
    return dump([json.loads(raw), "", QUEUE])


def is_json_without_unknown_task(raw: bytes) -> bool:
    try:
        json.loads(raw.decode())
    except (ValueError, RecursionError):
        return False
    return expected_id(raw) not in {f"{task}:1" for task in UNKNOWN_TASKS}


USED_KEYS = (QUEUE, f"{QUEUE}\x06\x163", "unacked", "unacked_index")
BINDINGS = (f"_kombu.binding.{QUEUE}", f"_kombu.binding_permanent.{QUEUE}", "_kombu.binding.celery.pidbox")
USED_AT_START = (*USED_KEYS, "unacked_mutex", *BINDINGS)


def occupy(redis: Any, key: str) -> str:
    """Replace a key of the broker by a stream; returns the end of its dead letter's id."""
    with redis.pipeline() as pipeline:
        pipeline.delete(key).xadd(key, {"a": "stream"}).execute()
    return f"{key.replace(chr(6) + chr(22), ':')}:stream"


@pytest.mark.long
def test_keys_of_the_wrong_type_are_renamed_and_listed_at_the_start(start_worker: StartWorker, redis: Any) -> None:
    ends = [occupy(redis, key) for key in USED_AT_START]
    worker = start_worker()

    wait_for(lambda: worker.is_listed(*ends), what="all dead letters")
    assert [redis.type(f"arthomed:wrong-type:{key}") for key in USED_AT_START] == [b"stream"] * len(USED_AT_START)
    worker.require_next_job()


@pytest.mark.long
@pytest.mark.parametrize("key", USED_KEYS)
def test_a_key_that_gets_the_wrong_type_is_renamed_and_listed(worker: AttackedWorker, key: str) -> None:
    worker.require_next_job()
    end = occupy(worker.redis, key)
    if key != QUEUE:
        worker.redis.lpush(QUEUE, dump(job("any")))  # may be lost: kombu takes it before it uses the key

    wait_for(lambda: worker.is_listed(end), what="the dead letter")
    worker.redis.lpush(QUEUE, dump(job("later")))
    wait_for(lambda: worker.is_listed(f"{TASK}:later"), what="a later job")
    assert worker.process.exit_code is None


CONTROL_MESSAGES = {
    "number": b"5",
    "text": b"hello",
    "list": b"[]",
    "empty object": b"{}",
    "deep nesting": b"[" * 100_000,
    "unknown type": b'{"__type__": "uuid", "__value__": 5}',
    "invalid UTF-8": b"\xff",
    "body a number": dump({**job(), "body": 5}),
    "headers a number": dump({**job(), "headers": 5}),
    "unknown encoding": dump({**job(), "properties": {**job()["properties"], "body_encoding": "rot13"}}),
    "no method": dump(job()),
    "pickle": dump({**job(), "content-type": "application/x-python-serialize"}),
}


@pytest.mark.long
def test_malformed_control_messages_are_ignored(worker: AttackedWorker) -> None:
    prefix, channels = "/0.", ("celery.pidbox", "celeryev/worker.heartbeat", "celeryev/", "none")
    wait_for(lambda: worker.redis.pubsub_numpat() == 2, what="a worker that listens")
    for channel, message in product(channels, CONTROL_MESSAGES.values()):
        worker.redis.publish(prefix + channel, message)

    worker.require_next_job()
    inspect = [str(BIN / "celery"), "-A", "workers.app", "inspect", "ping", "--timeout", "10"]
    answer = subprocess.run(inspect, cwd=ROOT, env=worker.stack.env, capture_output=True, text=True, check=True)
    assert "pong" in answer.stdout


@pytest.mark.long
def test_make_run_goes_on_and_restarts_a_killed_worker_three_times(
    mongo: Mongo, valkey: Valkey, tmp_path: Path
) -> None:
    env = {"MONGODB_URI": mongo.uri("arthomed_make_run"), "REDIS_URL": valkey.url.removesuffix("/0") + "/9"}
    port, output = free_port(), tmp_path / "output"
    run = Process(
        "make-run",
        [sys.executable, "-m", "dev.run"],
        output,
        env={**os.environ, **env, "PORT": str(port), "VAR_DIR": str(tmp_path / "var"), "ENABLE_METRICS": "true"},
    )
    with MongoClient[dict[str, Any]](env["MONGODB_URI"]) as database, Redis.from_url(env["REDIS_URL"]) as redis:
        records = database["arthomed_make_run"].failed_jobs
        try:
            wait_for(lambda: str(port) in output.read_text(), seconds=90, what="make run")
            redis.lpush(QUEUE, *KINDS.values())
            wait_for(
                lambda: records.count_documents({}) >= len({*map(expected_id, KINDS.values())}), what="dead letters"
            )
            assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
            assert (run.exit_code, "Restarting" in output.read_text()) == (None, False)

            for number in range(1, 4):
                os.kill(pid_of_worker(run.pid), signal.SIGKILL)
                wait_for(lambda: output.read_text().count("Restarting worker") == number, what="a restart")  # noqa: B023
                records.delete_many({})
                redis.lpush(QUEUE, dump(job("next")))
                wait_for(lambda: records.find_one({"ids": ["next"]}), what="the next job")
            os.kill(pid_of_worker(run.pid), signal.SIGKILL)
            assert run.wait() == 1
            assert "worker was killed by SIGKILL" in output.read_text()
        finally:
            run.stop(within=15)


def pid_of_worker(supervisor: int) -> int:
    """The main process of the Celery worker that a supervisor has started."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(supervisor)}
    [pid] = [pid for pid, command in commands.items() if b"workers.app\0worker" in command]
    return pid
