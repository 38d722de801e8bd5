"""The network: a vector for each word; the endpoint takes their mean."""

import torch
from torch import nn


class SentenceNet(nn.Module):
    """Give words vectors of which the means lie close together for messages about the same thing.

    Takes the numbers of tokens, int64 of shape (batch, tokens); gives vectors of shape (batch, tokens,
    width). ``tokens`` is how many different ones there may be.
    """

    def __init__(self, tokens: int = 256, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(tokens, width)
        nn.init.normal_(self.words.weight, std=0.1)
        self.project = nn.Linear(width, width)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return a vector for each token; those that do not count are zero."""
        return self.project(self.words(input_ids)) * attention_mask[..., None]
