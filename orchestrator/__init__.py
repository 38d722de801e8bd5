"""Package PyTorch models, deploy them to SageMaker, and tell the truth about the outcome.

The architecture in one line: ``cli -> usecases | adapters | localcloud -> serving -> core``.
"""

__version__ = "0.1.0"
