"""What a request and an answer look like: the two functions that the spec names."""

import torch

HISTORY = 48


class RequestError(Exception):
    """A request that cannot be answered; the caller gets the status and the text."""

    status_code = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def last_hours(value: object) -> dict[str, list[object]]:
    """Return the last hours of ``{"values": [...]}``, which may hold more of them than the network takes.

    Raises:
        RequestError: If it holds fewer.
    """
    values = value.get("values") if isinstance(value, dict) else None
    if not isinstance(values, list) or len(values) < HISTORY:
        message = f"the body has to be an object with 'values', a list of at least {HISTORY} hours"
        raise RequestError(message)
    return {"history": values[-HISTORY:]}


def forecast(output: torch.Tensor) -> list[dict[str, object]]:
    """Return the answer for each series: the hours to come, and when it will be most."""
    return [
        {"forecast": [round(number, 3) for number in row.tolist()], "peak_in_hours": int(row.argmax()) + 1}
        for row in output
    ]
