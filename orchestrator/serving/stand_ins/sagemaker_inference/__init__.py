"""Stands in for the `sagemaker_inference` that ships with sagemaker-pytorch-inference 2.0.25."""
