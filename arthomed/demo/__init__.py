"""Example data for development: the demo clinic, and a day of it with everything that happens at a reception."""

from arthomed.demo.clinic import load
from arthomed.demo.today import load_today

__all__ = ["load", "load_today"]
