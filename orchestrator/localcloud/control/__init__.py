"""SageMaker's control plane: from the name of an operation and its JSON to the answer."""
