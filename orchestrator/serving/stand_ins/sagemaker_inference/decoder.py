"""Stands in for `sagemaker_inference.decoder`, but for pickles in npy bodies, which it refuses."""

from orchestrator.serving.worker.formats import decode

__all__ = ["decode"]
