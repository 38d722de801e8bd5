"""The serving container's contract over HTTP: what `local-serve` and the local cloud's fleets run."""
