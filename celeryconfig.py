"""Celery's settings for workers and beat; the web process publishes through arthomed/infra/queue.py."""

from celery.schedules import crontab
from kombu.entity import Exchange, Queue

from arthomed.config import settings
from arthomed.core.jobs import Job
from arthomed.infra.queue import QUEUES, queue_of
from workers import broker

_settings = settings()
_OUTDATED = 120  # seconds: what is left of a longer queue does no harm, and clocks of machines are seconds apart

broker.install()
broker_url = _settings.redis_url
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # for as long as it takes
broker_transport_options = {
    "visibility_timeout": 300,  # above the longest task that has no lock, or it would run twice
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

task_queues = [
    Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]
    for name in QUEUES
]
task_default_queue = "default"
task_routes = (queue_of,)
task_serializer = result_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
task_time_limit = 240
task_soft_time_limit = 200
worker_prefetch_multiplier = 1
worker_max_tasks_per_child = 10_000
worker_max_memory_per_child = 300_000  # KiB at its peak; a process above it is replaced after its task
worker_hijack_root_logger = False

timezone = str(_settings.policy.timezone)
enable_utc = True

beat_scheduler = "workers.beat:Scheduler"
redbeat_redis_url = _settings.redis_url
redbeat_redis_options = {"socket_timeout": 5, "socket_connect_timeout": 2}
redbeat_lock_timeout = 30
beat_max_loop_interval = 5
beat_schedule = {
    "slots-of-the-horizon": {"task": Job.GENERATE_SLOTS.value, "schedule": crontab(hour="0", minute="5")},
    "messages-left-behind": {
        "task": Job.SWEEP_MESSAGES.value,
        "schedule": 10.0,
        "options": {"expires": _OUTDATED},
    },
    "messages-not-arrived": {"task": Job.FALL_BACK.value, "schedule": 15.0, "options": {"expires": _OUTDATED}},
    "unconfirmed-visits": {
        "task": Job.REJECT_UNCONFIRMED.value,
        "schedule": 60.0,
        "options": {"expires": _OUTDATED},
    },
    "files-not-looked-at": {"task": Job.SWEEP_SCANS.value, "schedule": 60.0, "options": {"expires": _OUTDATED}},
    "files-kept-long-enough": {"task": Job.PURGE_FILES.value, "schedule": crontab(hour="1", minute="5")},
    "erasures-put-off": {"task": Job.FINISH_ERASURES.value, "schedule": crontab(hour="0", minute="35")},
    "missed-visits": {"task": Job.MARK_NO_SHOWS.value, "schedule": 300.0, "options": {"expires": 300}},
}
