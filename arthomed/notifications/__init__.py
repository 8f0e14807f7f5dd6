"""Messages to people by SMS, e-mail and push: the outbox, its sweeper, and the delivery through gateways."""
