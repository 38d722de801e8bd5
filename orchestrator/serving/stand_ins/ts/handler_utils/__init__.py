"""Stands in for `ts.handler_utils`."""
