"""Appointments: booking and everything that follows."""
