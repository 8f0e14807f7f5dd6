"""The Celery side: it calls the application, never the other way round."""
