"""How the entry point is found: names, suffixes, packages, folders (reference §§4.3, 4.4)."""

from tests.conformance.cases import ASK, Case, LoadFails, source
from tests.conformance.fixtures import LINEAR

WRONG = source("raise RuntimeError('the wrong module')")


def _saying(word: str) -> bytes:
    return source(f"""
        def model_fn(model_dir):
            return "{word}"


        def transform_fn(model, data, content_type, accept):
            return model, "text/plain"
    """)


def facts(*expressions: str) -> bytes:
    """Return an entry point that answers with what these expressions give when the model is loaded."""
    pairs = ", ".join(f"{expression!r}: str({expression})" for expression in expressions)
    return source(f"""
        import json, os, sys


        def model_fn(model_dir):
            return {{{pairs}}}


        def transform_fn(model, data, content_type, accept):
            return json.dumps(model, sort_keys=True), "application/json"
    """)


CASES = (
    Case(
        "program-default",
        "§4.3: inference.py without SAGEMAKER_PROGRAM",
        {"code/inference.py": _saying("inference"), "code/other.py": WRONG},
        ASK,
    ),
    Case(
        "program-named",
        "§4.3: SAGEMAKER_PROGRAM names the entry point",
        {"code/serve_it.py": _saying("serve_it"), "code/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "serve_it.py"},
    ),
    Case(
        "program-without-suffix",
        "§4.3: the suffix is not needed",
        {"code/serve_it.py": _saying("bare"), "code/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "serve_it"},
    ),
    Case(
        "program-dotted",
        "§4.4: a dotted name is a module in a package",
        {
            "code/pkg/__init__.py": b"",
            "code/pkg/deep/__init__.py": b"",
            "code/pkg/deep/main.py": _saying("dotted"),
        },
        ASK,
        {"SAGEMAKER_PROGRAM": "pkg.deep.main.py"},
    ),
    Case(
        "program-namespace",
        "§4.4: packages need no __init__.py",
        {"code/pkg/main.py": _saying("namespace")},
        ASK,
        {"SAGEMAKER_PROGRAM": "pkg.main"},
    ),
    Case(
        "program-package",
        "§4.4: a package is a module",
        {"code/entry/__init__.py": _saying("package")},
        ASK,
        {"SAGEMAKER_PROGRAM": "entry"},
    ),
    Case(
        "program-package-before-module",
        "§4.4: a package wins over a module of its name",
        {"code/inference/__init__.py": _saying("package"), "code/inference.py": _saying("module")},
        ASK,
    ),
    Case(
        "program-missing",
        "§4.4: without the module the default functions are used",
        {"model.pt": LINEAR, "code/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "nope.py"},
    ),
    Case(
        "program-a-path",
        "§4.4: a path is no module name",
        {"model.pt": LINEAR, "code/src/predict.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "src/predict.py"},
    ),
    Case(
        "program-other-suffix",
        "§4.4: only .py is cut",
        {"model.pt": LINEAR, "code/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "inference.PY"},
        load_fails=LoadFails("inference"),
    ),
    Case(
        "program-in-missing-package",
        "§4.4: find_spec imports the parent first, and fails",
        {"model.pt": LINEAR, "code/x.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "absent.predict"},
        patience_seconds=10,
        load_fails=LoadFails("absent"),
    ),
    Case(
        "program-empty",
        "§4.4: an empty name is no module's",
        {"model.pt": LINEAR, "code/inference.py": _saying("inference")},
        ASK,
        {"SAGEMAKER_PROGRAM": ""},
    ),
    Case(
        "program-installed",
        "§4.4: any module that can be imported is taken",
        {"model.pt": LINEAR, "code/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_PROGRAM": "json.tool"},
    ),
    Case(
        "submit-directory",
        "§4.3: SAGEMAKER_SUBMIT_DIRECTORY is ignored",
        {"code/inference.py": _saying("code"), "src/inference.py": WRONG},
        ASK,
        {"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/src"},
    ),
    Case(
        "entry-at-root",
        "§4.4: the model folder is importable",
        {"inference.py": _saying("root"), "weights.bin": b"x"},
        ASK,
    ),
    Case(
        "entry-at-root-and-code",
        "§4.4: code/ comes before the model folder",
        {"inference.py": _saying("root"), "code/inference.py": _saying("code")},
        ASK,
    ),
    Case(
        "entry-imports-root",
        "§4.4: code/ and the root are importable from each other",
        {
            "beside_weights.py": b"V = 'root'\n",
            "code/beside_code.py": b"V = 'code'\n",
            "code/inference.py": source("""
            import beside_code
            import beside_weights


            def model_fn(model_dir):
                return beside_code.V + beside_weights.V


            def transform_fn(model, data, content_type, accept):
                return model, "text/plain"
        """),
        },
        ASK,
    ),
    Case(
        "one-root-folder",
        "§4.4: a root's only entry, if a folder, is the model; its code/ is not seen",
        {"model/model.pt": LINEAR, "model/code/inference.py": WRONG},
        ASK,
    ),
    Case(
        "one-root-folder-code",
        "§4.4: an archive of nothing but code/",
        {
            "code/inference.py": facts(
                "model_dir.rpartition('/')[2]",
                "os.path.realpath(model_dir)",
                "os.getcwd()",
                "sorted(os.listdir(model_dir))",
            )
        },
        ASK,
    ),
    Case(
        "one-root-folder-hidden",
        "§4.4: hidden entries count, so this root holds two",
        {
            "code/inference.py": facts("model_dir.rpartition('/')[2]", "sorted(os.listdir(model_dir))"),
            ".hidden": b"",
        },
        ASK,
    ),
    Case(
        "one-root-folder-entry",
        "§4.4: the entry point in the only folder is importable, for that is the model",
        {"net/inference.py": _saying("net")},
        ASK,
    ),
)
