"""Stands in for `sagemaker_inference.content_types`."""

from orchestrator.serving.worker.formats import ANY, CSV, JSON, NPY, NPZ, OCTET_STREAM

UTF8_TYPES = [JSON, CSV]

__all__ = ["ANY", "CSV", "JSON", "NPY", "NPZ", "OCTET_STREAM", "UTF8_TYPES"]
