"""Ask the live endpoint all held-out digits, as any client would: with plain boto3.

Run it as ``python ask.py answers.json``, and then as ``python ask.py again.json --same-as answers.json``. It
prints the accuracy, which has to be the one measured in process; it ends with 1 if it is not, or if the
answers are not the same as those in the file named by ``--same-as``.
"""

import argparse
import json
import sys
from pathlib import Path

import boto3
from digits import load

HERE = Path(__file__).parent


def answers(endpoint: str) -> tuple[list[dict[str, object]], float]:
    """Return the endpoint's answer to each held-out digit, and the share that is right."""
    runtime = boto3.client("sagemaker-runtime")
    _, held_out = load()
    found = []
    for image in held_out.images:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"image": image.tolist()}),
        )
        found.append(json.loads(response["Body"].read()))
    right = sum(
        answer["label"] == str(int(label)) for answer, label in zip(found, held_out.labels, strict=True)
    )
    return found, right / len(found)


def main() -> int:
    """Ask, compare, say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--endpoint", default="digits")
    parser.add_argument("--same-as", type=Path)
    arguments = parser.parse_args()
    found, measured = answers(arguments.endpoint)
    arguments.out.write_text(json.dumps({"accuracy": measured, "answers": found}))
    print(f"{measured:.1%} of {len(found)} held-out digits told right through the endpoint")
    if arguments.same_as is not None:
        before = json.loads(arguments.same_as.read_text())["answers"]
        print("the answers are " + ("the same as before" if before == found else "NOT the same as before"))
        return int(before != found)
    in_process = json.loads((HERE / "artifacts" / "metrics.json").read_text())["accuracy"]
    equal = round(in_process * len(found)) == round(measured * len(found))
    print(f"{in_process:.1%} in process: " + ("equal" if equal else "NOT equal"))
    return int(not equal)


if __name__ == "__main__":
    sys.exit(main())
