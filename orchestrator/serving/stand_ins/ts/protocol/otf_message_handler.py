"""Stands in for `ts.protocol.otf_message_handler`: what handler functions call there to stream."""

from orchestrator.serving.worker.pieces import send_intermediate_predict_response

__all__ = ["send_intermediate_predict_response"]
