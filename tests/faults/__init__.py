"""The whole system under load, with parts of it killed, stopped or silent."""
