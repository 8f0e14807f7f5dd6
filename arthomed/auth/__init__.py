"""Signing in with one-time codes, and the sessions of signed-in devices."""
