"""Stands in for `ts.metrics`."""
