"""Tests of the Celery workers, beat and the publishing of jobs."""
