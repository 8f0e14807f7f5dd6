"""The Celery side: tasks, the table of beat, the way to the broker."""
