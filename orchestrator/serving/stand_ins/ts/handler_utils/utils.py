"""Stands in for `ts.handler_utils.utils`."""

from orchestrator.serving.worker.pieces import send_intermediate_predict_response

__all__ = ["send_intermediate_predict_response"]
