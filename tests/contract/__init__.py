"""The API contract: the OpenAPI document is complete, and the server conforms to it."""
