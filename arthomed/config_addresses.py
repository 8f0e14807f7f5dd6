"""The addresses that a server may bind: those of loopback, and others only where that is safe."""

from arthomed.config_readers import is_loopback

Address = tuple[str, int] | str | int
"""(host, port), the path of a UNIX socket, or a file descriptor, which counts as public; as gunicorn lists them."""

_NO_PROXY = (
    "a few slow connections stop gunicorn unless a proxy buffers them: put nginx in front (deploy/nginx.conf) "
    "and set TRUSTED_PROXIES=1, or set HOST=127.0.0.1"
)


def problem_of(address: Address, *, app_env: str) -> str | None:
    """Why an address is not safe; None for loopback and UNIX sockets.

    Development and test have known secrets and publish every one-time code. Production needs a proxy that buffers
    requests and responses, because gunicorn gives a thread to every connection, however slow.
    """
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(address, str) or is_loopback(str(host)):
        return None
    published = (
        f"APP_ENV={app_env} publishes one-time codes: "
        "set HOST=127.0.0.1, APP_ENV=production, or ALLOW_PUBLIC_DEVELOPMENT=true"
    )
    return f"{host} is not a loopback address, but {_NO_PROXY if app_env == 'production' else published}"
