"""The rules of SageMaker's control plane: what may be asked, and how one world follows from another.

Nothing here knows HTTP, processes or the clock, but that `artifacts` reads from S3.
"""
