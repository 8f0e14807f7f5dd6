"""Tools of a developer's machine: real servers, the supervisor of `make run`, and lints."""
