"""The Python API: the verbs of the command line as methods, and what puts the outside world together."""
