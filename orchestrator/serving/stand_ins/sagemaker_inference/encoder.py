"""Stands in for `sagemaker_inference.encoder`."""

from orchestrator.serving.worker.formats import SUPPORTED_CONTENT_TYPES, encode

__all__ = ["SUPPORTED_CONTENT_TYPES", "encode"]
