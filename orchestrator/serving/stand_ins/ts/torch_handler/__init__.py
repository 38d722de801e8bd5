"""Stands in for `ts.torch_handler`."""
