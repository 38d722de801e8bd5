"""The runtime that ships beside the entry point, inside ``model.tar.gz``.

It runs in the serving container: Python 3.10 to 3.13, torch 2.4 and later, numpy, and nothing else that has
to be installed. It knows nothing of the orchestrator and uses relative imports only, because it is copied
to ``code/orchestrator_runtime``. Importing this package imports none of its modules.
"""
