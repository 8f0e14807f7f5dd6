"""`make reset`: remove $VAR_DIR with all the data of `make run`."""

import sys

from dev.binaries import ServerError
from dev.data_folder import DataFolder


def main() -> int:
    """Remove the folder; returns the exit code."""
    try:
        print(DataFolder.from_environment().remove())
    except ServerError as error:
        print(f"make reset: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
