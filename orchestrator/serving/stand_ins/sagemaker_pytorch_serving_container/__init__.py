"""Stands in for the folder of sagemaker-pytorch-inference 2.0.25, whose modules precede the archive's."""
