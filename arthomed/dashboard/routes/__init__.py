"""Routes of the dashboard, one module for each screen."""
