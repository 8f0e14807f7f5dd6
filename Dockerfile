# One image for web, worker, beat and the flask commands; compose.yaml sets the command.
# requirements-fast.txt has source packages only, so the build stage uses the larger image with a compiler.
FROM python:3.11-bookworm AS build

COPY requirements.txt requirements-fast.txt /
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement /requirements.txt \
    && /venv/bin/pip install --no-cache-dir --require-hashes --no-binary gunicorn-h1c \
        --requirement /requirements-fast.txt \
    && /venv/bin/pip uninstall --yes pip setuptools
WORKDIR /app
COPY wsgi.py celeryconfig.py gunicorn.conf.py ./
COPY migrations migrations
COPY workers workers
COPY arthomed arthomed
RUN /venv/bin/python -m compileall -q /app

FROM python:3.11-slim-bookworm

# nginx runs with the same user id, because it sends files that only their owner may read (mode 0600)
RUN groupadd --gid 10001 arthomed \
    && useradd --uid 10001 --gid arthomed --no-create-home --home-dir /tmp --shell /usr/sbin/nologin arthomed \
    && install --directory --owner arthomed --group arthomed --mode 0700 /srv/uploads
COPY --from=build /venv /venv
COPY --from=build /app /app

# The root file system may be read-only: the application writes to /tmp and /srv/uploads only.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 APP_ENV=production PORT=5000 UPLOADS_DIR=/srv/uploads
WORKDIR /app
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=2)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
