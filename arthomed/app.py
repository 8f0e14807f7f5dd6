"""The one place where the parts are put together."""

from flask import Flask
from flask_cors import CORS
from redis import Redis

from arthomed import cli
from arthomed.appointments import messages as appointment_messages
from arthomed.appointments.routes import appointments, desk, moving, notifications, timetable
from arthomed.appointments.service import attachments
from arthomed.auth import routes as auth
from arthomed.auth.service import otp, sessions
from arthomed.config import AppEnv, Settings
from arthomed.config_services import Uploads
from arthomed.core import error_reporting, jobs, quota
from arthomed.core import metrics as core_metrics
from arthomed.dashboard import app as dashboard
from arthomed.files import file_store
from arthomed.files import routes as files
from arthomed.files.rules import Kind
from arthomed.files.service import uploading
from arthomed.files.storage import INCOMING, Storage, StorageUnavailable
from arthomed.frontdesk.routes import clinic, patients
from arthomed.frontdesk.routes import day as frontdesk_day
from arthomed.frontdesk.routes import display as frontdesk_display
from arthomed.frontdesk.routes import queue as frontdesk_queue
from arthomed.http import auth as auth_hooks
from arthomed.http import bodies, cache, context, docs, errors, limits, mailbox, monitoring, overload, proxies
from arthomed.http import files as http_files
from arthomed.http.json import Json
from arthomed.infra import logging, mongo, redis_check
from arthomed.infra.clamav import ClamAV
from arthomed.infra.email import SmtpEmail
from arthomed.infra.heartbeat import require_worker
from arthomed.infra.mailbox import ConsoleEmail, ConsoleSms, Mailbox
from arthomed.infra.queue import CeleryJobs
from arthomed.infra.quota import RedisQuotaCounter
from arthomed.infra.storage import LocalStorage
from arthomed.notifications import delivery as message_delivery
from arthomed.notifications import routes as messages
from arthomed.notifications.gateways import EmailGateway, ReceiptReader, SmsGateway
from arthomed.notifications.rules import QuietHours
from arthomed.payments import routes as payments
from arthomed.privacy import routes as privacy
from arthomed.privacy.schemas import ExportOut
from arthomed.privacy.service import export
from arthomed.scheduling import routes as scheduling
from arthomed.users import routes as users

_REDIS_SECONDS = 0.5
_BLUEPRINTS = (
    auth.blueprint,
    users.blueprint,
    users.dependents,
    scheduling.doctors,
    scheduling.slots,
    appointments.blueprint,
    desk.blueprint,
    moving.blueprint,
    timetable.blueprint,
    notifications.blueprint,
    appointments.attachments,
    appointments.accounts,
    clinic.blueprint,
    patients.blueprint,
    patients.claims,
    frontdesk_day.blueprint,
    frontdesk_queue.blueprint,
    frontdesk_display.blueprint,
    files.blueprint,
    payments.blueprint,
    privacy.blueprint,
    messages.blueprint,
)
_CORS_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
_CORS_CONDITIONS = ["If-Match", "If-None-Match", "If-Range", "Range"]
_CORS_HEADERS = ["Content-Type", "Authorization", "Idempotency-Key", "X-Request-ID", *_CORS_CONDITIONS]
_CORS_OF_FILES = ["ETag", "Content-Disposition", "Content-Range", "Accept-Ranges"]
_CORS_OF_LIMITS = ["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
_CORS_EXPOSED = ["X-Request-ID", "Location", *_CORS_OF_FILES, *_CORS_OF_LIMITS]


def create_app(settings: Settings) -> Flask:
    """The web application of one process."""
    wire(settings, database_timeout_ms=mongo.WEB_TIMEOUT_MS)
    app = Flask("arthomed", static_folder=None)
    app.config.update(
        SHOW_STACK=settings.app_env is AppEnv.DEVELOPMENT,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json = Json(app)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False  # a redirect would be an HTML page
    proxies.register(app, settings.trusted_proxies)
    _register_request_hooks(app, settings)
    _register_routes(app, settings)
    cli.register(app)
    return app


def _register_request_hooks(app: Flask, settings: Settings) -> None:
    """What happens before and after every view, in this order; `docs/architecture.md` follows a request through it."""
    _allow_origins(app, settings)
    context.register(app)
    overload.register(app, settings)
    errors.register(app, jobs.JobsUnavailable, StorageUnavailable)
    auth_hooks.register(app, settings, sessions.find_actor)
    limits.register(app, settings)
    bodies.register(app)
    cache.register(app)
    http_files.register(app, uploading.incoming_folder)


def _register_routes(app: Flask, settings: Settings) -> None:
    api = docs.register(app)
    for blueprint in _BLUEPRINTS:
        api.register_blueprint(blueprint)
    dashboard.register(app, settings)
    redis = Redis.from_url(settings.redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)
    monitoring.register(app, settings, _checks(redis), essential={"mongo"})
    if settings.metrics_enabled:
        _register_metrics(app, redis)
    if not settings.is_production:
        mailbox.register(app, Mailbox(settings.mailbox_file))
    if settings.app_env is AppEnv.DEVELOPMENT:
        docs.lead_from_root(app)


def _allow_origins(app: Flask, settings: Settings) -> None:
    CORS(
        app,
        origins=list(settings.cors_origins),
        supports_credentials=True,
        always_send=False,
        methods=_CORS_METHODS,
        allow_headers=_CORS_HEADERS,
        expose_headers=_CORS_EXPOSED,
    )


def _register_metrics(app: Flask, redis: Redis) -> None:
    from arthomed.infra import metrics  # noqa: PLC0415  the import creates a folder, see there

    core_metrics.use(metrics.record)
    backlog = metrics.BacklogCollector(redis)
    monitoring.register_metrics(app, lambda: metrics.render(backlog))


def wire(settings: Settings, *, database_timeout_ms: int) -> None:
    """Connect a process of any kind (web, worker, command) to the outside."""
    logging.configure(settings.log_level, as_json=settings.is_production)
    if settings.sentry_dsn:
        _start_sentry(settings.sentry_dsn, settings.app_env)
    mongo.open_database(settings.mongodb_uri, timeout_ms=database_timeout_ms)
    jobs.use(CeleryJobs(settings.redis_url))
    quota.use(RedisQuotaCounter(settings.redis_url))
    export.use(ExportOut().dumps)
    file_store.use(_file_store(settings.uploads))
    renderers: dict[str, message_delivery.Renderer] = {
        otp.MESSAGE: otp.render_message,
        **dict.fromkeys(appointment_messages.KINDS, appointment_messages.render),
    }
    delivery = settings.delivery
    message_delivery.configure(
        message_delivery.DeliveryConfig(
            sms=_sms_gateway(settings),
            email=_email_gateway(settings),
            renderers=renderers,
            lease=delivery.lease,
            push=_push_config(settings),
            receipts=_receipts(settings),
            receipt_wait=delivery.receipt_wait,
            quiet_hours=QuietHours(*delivery.quiet, settings.policy.timezone) if delivery.quiet else None,
        )
    )


def _start_sentry(dsn: str, environment: str) -> None:
    from arthomed.infra import sentry  # noqa: PLC0415  loaded only where SENTRY_DSN is set

    sentry.start(dsn, environment)
    error_reporting.use(sentry.report)


def _file_store(uploads: Uploads) -> file_store.FileStore:
    return file_store.FileStore(
        storage=_storage(uploads),
        scanner=ClamAV(uploads.clamd_url) if uploads.clamd_url else None,
        policies={Kind.APPOINTMENTS: attachments.AppointmentFiles(), Kind.PROFILES: attachments.ProfilePictures()},
        retention=uploads.retention,
    )


def _storage(uploads: Uploads) -> Storage:
    if uploads.bucket is None:
        return LocalStorage(uploads.folder, accel_prefix=uploads.accel_prefix)
    from arthomed.infra.s3 import S3Storage  # noqa: PLC0415  boto3 costs 42 MB and a second

    return S3Storage(uploads.bucket, uploads.folder / INCOMING)


def _sms_gateway(settings: Settings) -> SmsGateway:
    if settings.twilio is not None:
        from arthomed.infra.sms import TwilioSms  # noqa: PLC0415  requests costs 50 ms of every command's start

        return TwilioSms(settings.twilio, settings.public_url)
    return ConsoleSms(Mailbox(settings.mailbox_file))


def _receipts(settings: Settings) -> ReceiptReader | None:
    """None where Twilio can't reach us."""
    if settings.twilio is None or settings.public_url is None:
        return None
    from arthomed.infra.sms import TwilioReceipts  # noqa: PLC0415  as above

    return TwilioReceipts(settings.twilio, settings.public_url)


def _push_config(settings: Settings) -> message_delivery.PushConfig | None:
    if settings.fcm is None:
        return None
    from arthomed.infra.push import FcmPush  # noqa: PLC0415  as above

    return message_delivery.PushConfig(
        FcmPush(settings.fcm),
        sessions.push_tokens,
        sessions.with_push_tokens,
        sessions.forget_push_token,
    )


def _email_gateway(settings: Settings) -> EmailGateway | None:
    """None, so no e-mail at all, in a production without SMTP."""
    if settings.smtp_url is not None:
        return SmtpEmail(settings.smtp_url, settings.email_from)
    return None if settings.is_production else ConsoleEmail(Mailbox(settings.mailbox_file))


def _checks(redis: Redis) -> monitoring.Checks:
    return {
        "mongo": mongo.ping,
        "redis": lambda: redis_check.check_writes(redis),
        "workers": lambda: require_worker(redis),
    }
