"""What runs beside the user's code: one process, one model, the toolkit's rules."""
