"""Stands in for `sagemaker_inference.environment`."""

import os

DEFAULT_MODULE_NAME = "inference.py"
DEFAULT_MODEL_SERVER_TIMEOUT = "60"
DEFAULT_HTTP_PORT = "8080"
SAGEMAKER_BASE_PATH = "/opt/ml"

base_dir = os.environ.get("SAGEMAKER_BASE_DIR", SAGEMAKER_BASE_PATH)
_folder = "models" if os.environ.get("SAGEMAKER_MULTI_MODEL") == "true" else "model"
model_dir = f"{base_dir}/{_folder}"
code_dir = f"{model_dir}/code"


class Environment:
    """What the container's environment says.

    Attributes:
        module_name: The entry point's module.
        default_accept: Replaces a missing Accept.
    """

    def __init__(self) -> None:
        read = os.environ.get
        self.module_name = read("SAGEMAKER_PROGRAM", DEFAULT_MODULE_NAME).removesuffix(".py")
        self.model_server_timeout = int(read("SAGEMAKER_MODEL_SERVER_TIMEOUT", DEFAULT_MODEL_SERVER_TIMEOUT))
        self.model_server_workers = read("SAGEMAKER_MODEL_SERVER_WORKERS")
        self.default_accept = read("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json")
        self.inference_http_port = read("SAGEMAKER_BIND_TO_PORT", DEFAULT_HTTP_PORT)
        self.management_http_port = self.inference_http_port
        self.safe_port_range = read("SAGEMAKER_SAFE_PORT_RANGE")
