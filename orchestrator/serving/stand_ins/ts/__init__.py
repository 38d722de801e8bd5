"""Stands in for the part of TorchServe 0.12 that handler functions import."""

__version__ = "0.12.0"
