"""The sounds: tones of three waveforms, of any pitch and loudness, with some noise."""

import math

import torch

LABELS = ("sawtooth", "sine", "square")
SAMPLE_RATE = 8000
SAMPLES = 2000


def tone(label: str, generator: torch.Generator) -> torch.Tensor:
    """Return a quarter of a second, of shape (samples,), in steps of a 16-bit WAV file."""
    pitch, loudness, start, noise = torch.rand(4, generator=generator).tolist()
    hertz = 110 * 2 ** (2 * pitch)
    phase = hertz * torch.arange(SAMPLES) / SAMPLE_RATE + start
    waves = {
        "sine": torch.sin(2 * math.pi * phase),
        "square": torch.sign(torch.sin(2 * math.pi * phase)),
        "sawtooth": 2 * (phase % 1) - 1,
    }
    hiss = 0.1 * noise * torch.randn(SAMPLES, generator=generator)
    return ((0.2 + 0.6 * loudness) * (waves[label] + hiss).clamp(-1, 1) * 32767).round() / 32768


def tones(per_label: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tones of shape (n, samples) and the numbers of their labels, of shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    made = [tone(label, generator) for _ in range(per_label) for label in LABELS]
    return torch.stack(made), torch.arange(len(LABELS)).repeat(per_label)
