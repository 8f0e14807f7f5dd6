"""The use cases of the front desk, one module each."""
