"""The Celery workers and beat. They import the application; the application does not import them."""
