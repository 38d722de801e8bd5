"""Trained models on disk: what they hold, and what of them goes into an archive.

What is read is not trusted. `classify` tells what a file is, `opcodes` whether unpickling it would run code;
`symbols` and `safetensors` find the tensors without running any, and `conversion` makes a safetensors file of
them while it is read. Only what is code by its nature, and allowed to be, is loaded: by `child`, in a process
of its own, which `loading` starts. The only modules that know torch and numpy, and import them when asked.
"""

from orchestrator.adapters.checkpoints.examining import examine
from orchestrator.adapters.checkpoints.packing import weights

__all__ = ["examine", "weights"]
