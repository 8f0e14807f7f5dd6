"""The staff dashboard: server-rendered pages under /dashboard that call the features' services. No rule lives here."""
