"""The front desk: patients, booking by staff, walk-ins, the queue of the day."""
