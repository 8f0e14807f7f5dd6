"""What is promised to the app and the dashboard: the document, and a server that keeps to it."""
