"""Celery's configuration for workers and beat. The application enqueues jobs through arthomed/infra/queue.py."""

from celery.schedules import crontab
from kombu.entity import Exchange, Queue

from arthomed.config import settings
from arthomed.core.jobs import Job
from arthomed.infra.queue import QUEUES, queue_of, tls_options
from workers import broker

_settings = settings()
_EXPIRES = 120  # seconds; far above the clock differences between machines, and it bounds a backlog of periodic jobs

broker.install()
broker_url = _settings.redis_url
broker_use_ssl = tls_options(_settings.redis_url)
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # retry for ever
broker_channel_error_retry = True  # also after an error of Redis, such as a key of the wrong type or no memory
broker_transport_options = {
    "visibility_timeout": 300,  # must exceed the time limit of tasks without a lock, or they run twice
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
worker_max_memory_per_child = 300_000  # KiB of peak memory; the process is replaced after its task
worker_hijack_root_logger = False

timezone = str(_settings.policy.timezone)
enable_utc = True

beat_scheduler = "workers.beat:Scheduler"
redbeat_redis_url = _settings.redis_url
redbeat_redis_options = {"socket_timeout": 5, "socket_connect_timeout": 2}
redbeat_lock_timeout = 30
beat_max_loop_interval = 5
beat_schedule = {
    "generate-slots": {"task": Job.GENERATE_SLOTS.value, "schedule": crontab(hour="0", minute="5")},
    "sweep-outbox": {
        "task": Job.SWEEP_MESSAGES.value,
        "schedule": 10.0,
        "options": {"expires": _EXPIRES},
    },
    "message-fallback": {"task": Job.FALL_BACK.value, "schedule": 15.0, "options": {"expires": _EXPIRES}},
    "reject-unconfirmed-appointments": {
        "task": Job.REJECT_UNCONFIRMED.value,
        "schedule": 60.0,
        "options": {"expires": _EXPIRES},
    },
    "sweep-scans": {"task": Job.SWEEP_SCANS.value, "schedule": 60.0, "options": {"expires": _EXPIRES}},
    "purge-files": {"task": Job.PURGE_FILES.value, "schedule": crontab(hour="1", minute="5")},
    "finish-erasures": {"task": Job.FINISH_ERASURES.value, "schedule": crontab(hour="0", minute="35")},
    "complete-forgotten-consultations": {
        "task": Job.COMPLETE_FORGOTTEN.value,
        "schedule": crontab(hour="3", minute="0"),
    },
    "mark-no-shows": {"task": Job.MARK_NO_SHOWS.value, "schedule": 300.0, "options": {"expires": 300}},
}
