"""The network: the mean of the words' vectors, and a dense layer."""

import torch
from torch import nn


class TopicNet(nn.Module):
    """Tell what a message is about.

    Takes the numbers of its tokens, int64 of shape (batch, tokens), and which of them count; gives logits of
    shape (batch, classes). ``tokens`` is how many different ones there may be.
    """

    def __init__(self, tokens: int = 256, classes: int = 3, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(tokens, width)
        nn.init.normal_(self.words.weight, std=0.1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        counted = attention_mask[..., None].to(self.words.weight.dtype)
        mean = (self.words(input_ids) * counted).sum(1) / counted.sum(1).clamp(min=1)
        return self.classifier(mean)
