"""Payments at the desk: receipts, refunds, corrections and the cash report of a day."""
