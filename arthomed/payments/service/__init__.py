"""Use cases of payments: recording, reading, the consistency check."""
