"""Routes of the queue of the day (`day`, `queue`) and of displays in waiting rooms (`display`)."""
