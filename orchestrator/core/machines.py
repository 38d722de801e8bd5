"""What the names of SageMaker's instance types tell about the machines.

Must not know which types exist: that is in the service model that botocore ships.
"""

import re

_GRAVITON = re.compile(r"ml\.[a-z]+\d+g[a-z]*\.")


def is_graviton(instance_type: str) -> bool:
    """Tell whether the processor is AWS's own, whose programs are for arm64.

    >>> [is_graviton(name) for name in ("ml.c7g.large", "ml.m6gd.xlarge", "ml.g5.xlarge", "ml.m5.large")]
    [True, True, False, False]
    """
    return _GRAVITON.match(instance_type) is not None


def is_inf1(instance_type: str) -> bool:
    """Tell whether it is of the family that deployment guardrails leave out."""
    return instance_type.startswith("ml.inf1.")


def is_t2(instance_type: str) -> bool:
    """Tell whether it is of the family that cannot be autoscaled."""
    return instance_type.startswith("ml.t2.")
