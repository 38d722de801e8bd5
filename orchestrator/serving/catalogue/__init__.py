"""The models' API of the container, and TorchServe's other paths."""
