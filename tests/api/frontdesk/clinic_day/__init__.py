"""A whole day of a clinic over HTTP: who comes, what the reception does, and what must be true in the evening."""
