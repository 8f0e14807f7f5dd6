"""The use cases of privacy, one module each."""
