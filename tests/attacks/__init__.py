"""Attacks on running servers, each with the defence that makes it fail."""
