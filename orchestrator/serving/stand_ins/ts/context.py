"""Stands in for `ts.context`."""

from orchestrator.serving.worker.context import Context, RequestProcessor

__all__ = ["Context", "RequestProcessor"]
