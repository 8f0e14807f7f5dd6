"""Arthomed: the backend of a clinic."""

__version__ = "0.1.0"
