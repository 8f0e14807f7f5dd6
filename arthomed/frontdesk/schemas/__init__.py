"""Schemas of the queue of the day (`queue`) and of displays in waiting rooms (`display`)."""
