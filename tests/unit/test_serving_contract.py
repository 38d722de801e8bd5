"""The container's environment as values."""

import pytest

from orchestrator.core.errors import SpecError
from orchestrator.core.revision import CONTAINER_ENVIRONMENT
from orchestrator.serving.contract import Contract, read, worker_environment
from orchestrator.serving.traps import TRAPS


def test_an_empty_environment_has_the_containers_defaults() -> None:
    assert read({}, code=["inference.py"], cores=4) == Contract(
        program="inference.py",
        default_accept="application/json",
        workers=4,
        max_request_bytes=6_553_500,
        max_response_bytes=6_553_500,
        queue_size=100,
        response_timeout_seconds=60.0,
    )


def test_every_variable_is_heard() -> None:
    environment = {
        "SAGEMAKER_PROGRAM": "serve.py",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "TS_MAX_REQUEST_SIZE": "10",
        "TS_MAX_RESPONSE_SIZE": "20",
        "TS_JOB_QUEUE_SIZE": "5",
        "TS_DEFAULT_RESPONSE_TIMEOUT": "7",
    }
    assert read(environment, code=["predict.py"], cores=4) == Contract(
        "serve.py", "text/csv", 3, 10, 20, 5, 7.0
    )


def test_without_a_program_a_generated_entry_point_comes_before_the_containers_own() -> None:
    assert read({}, code=["inference.py", "predict.py"], cores=1).program == "predict.py"
    assert read({}, code=[], cores=1).program == "inference.py"


def test_no_request_may_take_longer_than_sagemaker_would_wait() -> None:
    contract = read({"TS_DEFAULT_RESPONSE_TIMEOUT": "120"}, code=[], cores=1)
    assert contract.response_timeout_seconds == 60.0


@pytest.mark.parametrize(
    ("program", "module"),
    [("predict.py", "predict"), ("src.predict", "src.predict"), ("src/predict.py", "src/predict")],
)
def test_only_a_trailing_py_is_cut_from_the_program(program: str, module: str) -> None:
    assert read({"SAGEMAKER_PROGRAM": program}, code=[], cores=1).module == module


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", " 1", "٣"])
def test_a_limit_that_is_no_number_names_the_variable(text: str) -> None:
    with pytest.raises(SpecError, match="'TS_JOB_QUEUE_SIZE' is "):
        read({"TS_JOB_QUEUE_SIZE": text}, code=[], cores=1)


def test_workers_share_the_cores() -> None:
    contract = read({"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}, code=[], cores=8)
    environment = worker_environment({}, contract, cores=8)
    assert (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]) == ("2", "2")


def test_more_workers_than_cores_get_one_thread_each() -> None:
    contract = read({"SAGEMAKER_MODEL_SERVER_WORKERS": "3"}, code=[], cores=2)
    assert worker_environment({}, contract, cores=2)["OMP_NUM_THREADS"] == "1"


def test_the_environment_may_say_how_many_threads() -> None:
    contract = read({}, code=[], cores=8)
    environment = worker_environment({"OMP_NUM_THREADS": "8", "TEAM": "ml"}, contract, cores=8)
    assert (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]) == ("8", "1")
    assert environment["TEAM"] == "ml"


def test_a_worker_is_told_which_entry_point_the_server_found() -> None:
    contract = read({}, code=["predict.py"], cores=1)
    environment = worker_environment({}, contract, cores=1)
    assert read(environment, code=[], cores=1).program == "predict.py"


def test_a_server_is_told_in_its_environment_to_let_requests_share_calls() -> None:
    usual = read({}, code=[], cores=1)
    told = read({"ORCHESTRATOR_BATCH_SIZE": "8", "ORCHESTRATOR_BATCH_DELAY_MS": "0.5"}, code=[], cores=1)
    assert (usual.batch_size, usual.batch_delay_seconds) == (1, 0.002)
    assert (told.batch_size, told.batch_delay_seconds) == (8, 0.0005)


@pytest.mark.parametrize("text", ["-1", "1e3", "nan", "two", "1.", "\u0663", " 2"])
def test_a_delay_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"'ORCHESTRATOR_BATCH_DELAY_MS' is '[^']*', not a number"):
        read({"ORCHESTRATOR_BATCH_DELAY_MS": text}, code=[], cores=1)


@pytest.mark.parametrize(
    ("environment", "trap", "found"),
    [
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "3"}, "server-timeout-ignored", "SAGEMAKER_MODEL_SERVER_TIMEOUT"),
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/code"}, "submit-directory-ignored", "/opt/ml/code"),
        ({"SAGEMAKER_TS_MAX_WORKERS": "2"}, "batch-variables", "SAGEMAKER_TS_MAX_WORKERS"),
        ({"SAGEMAKER_TS_BATCH_SIZE": "2"}, "server-batching", "SAGEMAKER_TS_BATCH_SIZE"),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "model-api-off", "SAGEMAKER_MULTI_MODEL"),
        ({"SAGEMAKER_BASE_DIR": "/srv"}, "variable-not-followed", "SAGEMAKER_BASE_DIR"),
        ({"CA_REPOSITORY_ARN": "arn:aws:x"}, "variable-not-followed", "CA_REPOSITORY_ARN"),
    ],
)
def test_a_trap_in_the_environment_is_named_with_its_variable(
    environment: dict[str, str], trap: str, found: str
) -> None:
    traps = dict(read(environment, code=[], cores=1).traps)
    assert found in traps[trap]
    assert trap in TRAPS


def test_the_environment_that_deploy_sets_has_no_trap() -> None:
    assert read(dict(CONTAINER_ENVIRONMENT), code=[], cores=1).traps == ()
