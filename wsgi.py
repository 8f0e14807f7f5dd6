"""What gunicorn and the flask command serve."""

import gc
import sys

gc.disable()  # what is loaded stays: looking for garbage in it takes a seventh of the start

from arthomed.app import create_app  # noqa: E402
from arthomed.cli import flask_run_addresses  # noqa: E402
from arthomed.config import ConfigurationError, check_addresses, settings  # noqa: E402

try:
    check_addresses(settings(), flask_run_addresses())
    app = create_app(settings())
except ConfigurationError as error:
    sys.exit(str(error))

gc.freeze()  # nor is it looked through again while serving, in any process
gc.enable()
