"""What goes wrong on demand: orders for faults, and how they befall calls."""
