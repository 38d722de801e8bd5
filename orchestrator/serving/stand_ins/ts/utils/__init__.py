"""Stands in for `ts.utils`."""
