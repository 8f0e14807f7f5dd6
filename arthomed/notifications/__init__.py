"""What is to be told to whom: the outbox and the way out of it."""
