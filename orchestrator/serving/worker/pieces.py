"""How handler functions stream: `ts.handler_utils.utils.send_intermediate_predict_response`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any


def send_intermediate_predict_response(
    ret: Sequence[Any] | None,
    req_id_map: Mapping[int, str],
    message: str,
    code: int,
    context: Any,  # noqa: ANN401 - TorchServe's signature
) -> None:
    """Send the first element of ``ret`` to the client, ahead of what the handler function will return.

    Only the first rank of a model that is spread over several processes does.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return
    for index in req_id_map:
        context.cl_socket.send_piece("error" if ret is None else ret[index], message, code)
