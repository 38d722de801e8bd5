"""The edge: one outside thing each, its errors translated into ours, once."""
