"""What the product does: one verb each. Takes ports, returns values, prints nothing."""
