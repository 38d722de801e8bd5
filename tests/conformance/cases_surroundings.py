"""What surrounds the entry point: folders, import paths, variables (reference §§4.3, 4.4, 4.7)."""

from tests.conformance.cases import ASK, ECHO, JSON, ROW, Case, LoadFails, Request, picked, source, typed
from tests.conformance.cases_discovery import facts
from tests.conformance.fixtures import LINEAR

CASES = (
    Case(
        "model-folder",
        "§4.4: a link as model_dir, the real folder as the working one",
        {
            "weights.bin": b"123",
            "code/inference.py": facts(
                "type(model_dir)",
                "model_dir",
                "os.path.islink(model_dir)",
                "os.path.realpath(model_dir)",
                "os.getcwd()",
                "sorted(os.listdir(model_dir))",
                "open('weights.bin').read()",
                "open(model_dir + '/weights.bin').read()",
                "__name__",
                "__file__",
            ),
        },
        ASK,
    ),
    Case(
        "import-order",
        "§4.4: the toolkit's folder, code/, the model folder, the link's",
        {
            "weights.bin": b"",
            "code/inference.py": facts(
                "[p.rpartition('/')[2] for p in sys.path[:3]]",
                "sys.path[1:3]",
                "sys.path[3]",
                "os.environ['PYTHONPATH'].split(':')[0]",
            ),
        },
        ASK,
    ),
    Case(
        "shadowed-modules",
        "§4.4: the toolkit's own modules win over those of their names in code/",
        {
            "weights.bin": b"",
            **{
                f"code/{name}.py": b"MINE = True\n"
                for name in (
                    "serving",
                    "handler_service",
                    "torchserve",
                    "ts_environment",
                    "ts_parameters",
                    "default_pytorch_inference_handler",
                )
            },
            "code/inference.py": source("""
            import importlib
            import json


            def model_fn(model_dir):
                return None


            def transform_fn(model, data, content_type, accept):
                return str(hasattr(importlib.import_module(json.loads(data)), "MINE")), "text/plain"
        """),
        },
        picked(
            [
                "serving",
                "handler_service",
                "torchserve",
                "ts_environment",
                "ts_parameters",
                "default_pytorch_inference_handler",
            ]
        ),
    ),
    Case(
        "own-modules",
        "§4.4: other names in code/ are the archive's, also where the server might have such a module",
        {
            "weights.bin": b"",
            **{
                f"code/{name}.py": b"MINE = True\n"
                for name in (
                    "utils",
                    "model",
                    "app",
                    "server",
                    "handler",
                    "worker",
                    "main",
                    "contract",
                    "click",
                    "starlette",
                    "uvicorn",
                    "orchestrator",
                )
            },
            "code/inference.py": source("""
            import importlib
            import json


            def model_fn(model_dir):
                return None


            def transform_fn(model, data, content_type, accept):
                return str(hasattr(importlib.import_module(json.loads(data)), "MINE")), "text/plain"
        """),
        },
        picked(
            [
                "utils",
                "model",
                "app",
                "server",
                "handler",
                "worker",
                "main",
                "contract",
                "click",
                "starlette",
                "uvicorn",
                "orchestrator",
            ]
        ),
    ),
    Case(
        "standard-library-shadowed",
        "§4.4: a module named like one of the standard library stops the container",
        {"weights.bin": b"", "code/random.py": b"raise ImportError('shadowed')\n", "code/inference.py": ECHO},
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("random"),
    ),
    Case(
        "environment-seen",
        "§4.3: what the environment holds reaches the entry point",
        {
            "weights.bin": b"",
            "code/inference.py": facts(
                "os.environ.get('MY_OWN')",
                "os.environ.get('SAGEMAKER_PROGRAM')",
                "os.environ.get('SAGEMAKER_REGION')",
                "os.environ.get('SAGEMAKER_CONTAINER_LOG_LEVEL')",
                "os.environ.get('SM_MODEL_DIR')",
                "os.environ.get('TS_MY_OWN')",
                "os.environ.get('SAGEMAKER_MODEL_SERVER_WORKERS')",
                "os.environ.get('EMPTY')",
            ),
        },
        ASK,
        {
            "MY_OWN": "a b=c",
            "SAGEMAKER_REGION": "eu-west-1",
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
            "TS_MY_OWN": "x",
            "EMPTY": "",
        },
    ),
    Case(
        "imports-of-the-container",
        "§4.1: what an entry point may import",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        import json
        from sagemaker_inference import content_types, decoder, encoder, environment, errors, utils
        from ts.context import Context
        from ts.handler_utils.utils import send_intermediate_predict_response
        from sagemaker_pytorch_serving_container import default_pytorch_inference_handler as defaults


        def model_fn(model_dir):
            return None


        def input_fn(data, content_type):
            return decoder.decode(data, content_type)


        def predict_fn(data, model):
            return data * 2


        def output_fn(prediction, accept, context):
            extra = [isinstance(context, Context), content_types.JSON]
            extra += [sorted(encoder.SUPPORTED_CONTENT_TYPES)]
            extra += [utils.parse_accept("a, b"), environment.code_dir]
            return json.dumps([encoder.encode(prediction, accept), extra]), accept
    """),
        },
        (typed("json", ROW, JSON), Request("other", ROW, (("Content-Type", "text/plain"),))),
    ),
    Case(
        "default-handler-subclass",
        "§4.1: the toolkit's default handler can be used from an entry point",
        {
            "model.pt": LINEAR,
            "code/inference.py": source("""
        from sagemaker_pytorch_serving_container import default_pytorch_inference_handler as defaults

        _HANDLER = defaults.DefaultPytorchInferenceHandler()


        def model_fn(model_dir):
            return _HANDLER.default_model_fn(model_dir)


        def output_fn(prediction, accept):
            return _HANDLER.default_output_fn(prediction, accept) + "!"
    """),
        },
        ASK,
    ),
    Case(
        "import-fails",
        "§4.7: the entry point imports what is not there",
        {"weights.bin": b"", "code/inference.py": b"import not_there_at_all\n"},
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("not_there_at_all"),
    ),
    Case(
        "syntax-error",
        "§4.7: the entry point does not compile",
        {"weights.bin": b"", "code/inference.py": b"def model_fn(:\n"},
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("SyntaxError"),
    ),
    Case(
        "model-fn-raises",
        "§4.7: model_fn raises",
        {
            "weights.bin": b"",
            "code/inference.py": source("def model_fn(model_dir):\n    raise OSError('no weights here')\n"),
        },
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("no weights here"),
    ),
    Case(
        "model-fn-exits",
        "§4.7: model_fn ends the process",
        {
            "weights.bin": b"",
            "code/inference.py": source("import sys\n\n\ndef model_fn(model_dir):\n    sys.exit(3)\n"),
        },
        ASK,
        patience_seconds=10,
        load_fails=LoadFails("3"),
    ),
    Case(
        "model-fn-loads-once",
        "§4.4: one model for all requests",
        {
            "weights.bin": b"",
            "code/inference.py": source("""
        COUNT = {"model": 0, "asked": 0}


        def model_fn(model_dir):
            COUNT["model"] += 1
            return COUNT


        def transform_fn(model, data, content_type, accept):
            model["asked"] += 1
            return dict(model), "application/json"
    """),
        },
        (typed("first", ROW, JSON), typed("second", ROW, JSON), typed("third", ROW, JSON)),
    ),
)
