"""Stands in for `ts.protocol`."""
