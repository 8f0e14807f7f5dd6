"""The HTTP layer: everything that uses Flask and is shared by the features."""
