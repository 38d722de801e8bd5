"""Builders of small model projects on disk."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from orchestrator.core.resources import Variant
from orchestrator.core.spec import EntryPointSpec, ModelSpec, PackageSpec, Reference, Spec, TensorSpec
from orchestrator.core.target import EndpointSpec, Target

NET = '''
import torch


class Net(torch.nn.Module):
    """A linear classifier of 2 by 2 images."""

    def __init__(self, classes=3):
        super().__init__()
        self.layer = torch.nn.Linear(4, classes)

    def forward(self, image):
        return self.layer(image.flatten(1))
'''
LABELS = ("cat", "dog", "owl")
TARGET = Target(
    environment="local",
    region="eu-west-1",
    bucket="models",
    role="arn:aws:iam::123456789012:role/x",
    endpoint=EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),)),
    keep_revisions=5,
    profile="pytorch-inference-2.6-cpu",
)


def tensors(classes: int = 3) -> dict[str, torch.Tensor]:
    """Return weights that answer with the class whose number is the largest pixel's."""
    weight = torch.zeros(classes, 4)
    weight[:, :classes] = torch.eye(classes)
    return {"layer.weight": weight, "layer.bias": torch.zeros(classes)}


def write_project(root: Path, net: str = NET) -> Spec:
    """Write a classifier's project to ``root``, and return its spec."""
    (root / "src").mkdir(parents=True)
    (root / "src" / "net.py").write_text(net)
    save_file(tensors(), str(root / "model.safetensors"))
    return Spec(
        name="pets",
        root=str(root),
        model=ModelSpec("model.safetensors", Reference("src/net.py", "Net")),
        target=TARGET,
        entrypoint=EntryPointSpec(
            task="image-classification",
            options=(("labels", list(LABELS)),),
            inputs=(("image", TensorSpec("float32", (1, 2, 2))),),
        ),
    )


def including(spec: Spec, *patterns: str, requirements: str | None = None) -> Spec:
    """Return ``spec`` with files of the project besides those it refers to."""
    return replace(spec, package=PackageSpec(patterns, requirements))
