"""Use cases of appointments: booking, queries and edits, status transitions, files, erasure, consistency checks."""
