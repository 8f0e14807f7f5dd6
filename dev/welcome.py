"""The text that `make run` prints when the clinic is ready."""

from string import Template

from dev.first_booking import DEFAULT_URL

_WELCOME = Template("""
  Arthomed is up.  Ctrl-C stops it; your data stays in $var_dir (`make reset` empties it).

    dashboard  $api/dashboard    API        $api/api
    documents  $api/api/docs
    messages   $api/dev/mailbox  health     $api/health/ready

  Demo people, who sign in with a code from the messages page:
    admin 9000000001, receptionist 9000000002, doctors 9000000011 to 15, patients 9000000021 to 23,
    patients of today 9000000101 to 140

  A first booking, request by request, as often as you like:
    .venv/bin/python dev/first_booking.py$argument
""")


def welcome(*, port: int, var_dir: str) -> str:
    """Render the addresses, the demo users and the command of a first booking."""
    api = f"http://127.0.0.1:{port}"
    return _WELCOME.substitute(api=api, var_dir=var_dir, argument="" if api == DEFAULT_URL else f" {api}")
