"""Takes the place of the archive's own module `ts_parameters`, as the toolkit's does in the container."""

MODEL_SERVER_WORKERS_ENV = "SAGEMAKER_MODEL_SERVER_WORKERS"
MULTI_MODEL_ENV = "SAGEMAKER_MULTI_MODEL"
