"""The reception's day: the queue of each doctor, and its display in the waiting room."""
