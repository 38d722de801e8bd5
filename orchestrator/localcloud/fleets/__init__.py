"""Fleets: processes that stand for the instances of a variant, and how they are asked."""
