"""What gunicorn and the flask command serve."""

import sys

from arthomed.app import create_app
from arthomed.config import ConfigurationError, settings

try:
    app = create_app(settings())
except ConfigurationError as error:
    sys.exit(str(error))
