"""The settings of file storage, read by config.settings()."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from environs import Env
from marshmallow.validate import Range, Regexp

from arthomed.config_readers import duration

_CLAMD = Regexp(r"$|tcp://[^/]+$|unix:///.+$", error="Must be tcp://host:port or unix:///path.")


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files are stored in `bucket` if it is set, otherwise in `folder`. Uploads pass through `folder` in both cases."""

    folder: Path
    bucket: str | None
    region: str
    endpoint: str | None
    access_key: str | None
    secret_key: str | None
    accel_prefix: str | None
    clamd_url: str | None
    retention: timedelta


def uploads(env: Env) -> Uploads:
    return Uploads(
        folder=Path(env.str("UPLOADS_DIR", "uploads")),
        bucket=env.str("S3_BUCKET", "") or None,
        region=env.str("S3_REGION", "ap-south-1"),
        endpoint=env.str("S3_ENDPOINT_URL", "") or None,
        access_key=env.str("S3_ACCESS_KEY_ID", "") or None,
        secret_key=env.str("S3_SECRET_ACCESS_KEY", "") or None,
        accel_prefix=env.str("UPLOADS_ACCEL_PREFIX", "") or None,
        clamd_url=env.str("CLAMD_URL", "", validate=_CLAMD) or None,
        retention=duration(env, "UPLOADS_RETENTION_YEARS", 7, unit=timedelta(days=366), allowed=Range(1, 100)),
    )
