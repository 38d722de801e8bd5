"""Each fault is planted for real, and `orchestrator doctor` has to find it, with its fix and nothing else."""

import json
from dataclasses import replace

import pytest

from orchestrator.localcloud.defaults import ACCOUNT, REGION
from tests.support import doctored
from tests.support.doctored import IAM, VARIABLE, Site
from tests.support.planting import (
    IMAGE,
    Fault,
    add,
    allow_http,
    change,
    contain,
    disable_key,
    disable_key_of_bucket,
    forbid,
    forbid_passing,
    forget_encryption,
    forget_keys,
    forget_target,
    forget_versions,
    ignore_addresses,
    install_old_moto,
    install_too_new,
    leak,
    leave_attempt,
    limit,
    loosen_credentials,
    loosen_state,
    lose_token,
    miss_subnet,
    miss_topic,
    mix_networks,
    move_bucket,
    open_bucket,
    refuse_keys,
    remove,
    require,
    ring_alarm,
    set_clock_back,
    setenv,
    shadow,
    trust_everybody,
    trust_nobody,
    write,
)

pytestmark = pytest.mark.slow


# pytest finds a fixture by its name in the module of the tests.
cloud, project, site = doctored.cloud, doctored.project, doctored.site

OF_PROJECT = {
    "unknown-key": Fault(
        change("bucket =", "buket ="), "spec", "error", "'env.prod.bucket' was probably", "write"
    ),
    "wrong-type": Fault(add('keep_revisions = "5"'), "spec", "error", "keep_revisions", "config schema"),
    "no-toml": Fault(write("orchestrator.toml", "= 1"), "spec", "error", "cannot be read", "config schema"),
    "no-spec": Fault(remove("orchestrator.toml"), "spec", "error", "there is no spec", "--config"),
    "no-model": Fault(remove("model.safetensors"), "model", "error", "model.safetensors", "model.path"),
    "torn-model": Fault(
        write("model.safetensors", "torn"), "model", "error", "model.safetensors", "state_dict"
    ),
    "misnamed-class": Fault(
        change("net.py:Net", "net.py:Ned"), "code", "error", "no 'Ned'", "correct the key"
    ),
    "no-source": Fault(change("src/net.py", "src/ned.py"), "code", "error", "no file 'src/ned.py'", "add"),
    "broken-source": Fault(
        write("src/net.py", "class Net(\n"), "code", "error", "line 1", "correct src/net.py"
    ),
    "empty-glob": Fault(
        change("[entrypoint]", '[package]\ninclude = ["extra/**"]\n\n[entrypoint]'),
        "files",
        "error",
        "matches no file",
        "correct",
    ),
    "bad-case": Fault(write("golden/owl.json", "{}"), "golden", "error", "golden/owl.json", '{"request"'),
    "no-case": Fault(
        change("golden/*.json", "golden/*.jsn"), "golden", "error", "matches no file", "correct"
    ),
    "profile": Fault(
        contain('profile = "pytorch-inference-2.6-cpuu"'),
        "spec",
        "error",
        "pytorch-inference-2.6-cpu was probably",
        "container.profile",
    ),
    "loose": Fault(require("six\n"), "requirements", "warning", "'six' (line 1)", "name==version"),
    "own-torch": Fault(require("torch==2.1.0\n"), "requirements", "error", "torch==2.1.0", "take it out"),
    "shadowing": Fault(shadow, "files", "error", "'json.py' has a name", "rename it"),
    "secret": Fault(leak, "files", "error", "'extra/.env' is kept out", "package.include"),
    "no-class": Fault(
        change('class = "src/net.py:Net"', ""), "files", "error", "model.class is missing", "class ="
    ),
    "same-label": Fault(change('"cat", "dog"', '"cat", "cat"'), "files", "error", "names one twice", "key"),
    "other-label": Fault(change('"owl"]', '"elk"]'), "golden", "error", "the label 'owl'", "labels"),
    "not-for-its-python": Fault(install_too_new, "requirements", "error", "Python >=3.14", "pin a version"),
}

FAULTS = {
    # The machine.
    "temp-folder": Fault(
        setenv("TMPDIR", "/nowhere/tmp"), "temp-folder", "error", "does not exist", "TMPDIR"
    ),
    "state-folder": Fault(loosen_state, "state-folder", "warning", "755", "chmod 700 /", "local"),
    "credentials-file": Fault(loosen_credentials, "credentials-file", "warning", "644", "chmod 600 /"),
    "old-moto": Fault(install_old_moto, "versions", "warning", "4.0.0", "pip install 'moto<5.3", "local"),
    "proxy": Fault(setenv("HTTPS_PROXY", "http://ada:pw@proxy:1"), "proxies", "note", "//***@proxy:1", ""),
    "ignored-address": Fault(
        ignore_addresses, VARIABLE, "warning", "switches it off", "unset AWS_ENDPOINT_URL", also="region"
    ),
    "unpatched": Fault(
        change('end_of_patch = "allow"', ""), "container", "warning", "2026-06-30", "container.image"
    ),
    "newer-torch": Fault(
        change('newer_torch = "allow"', ""), "container", "warning", "torch", "golden cases"
    ),
    "unknown-env": Fault(
        change("[env.prod]", "[env.production]"), "spec", "error", "no environment 'prod'", "add"
    ),
    # The way into the account.
    "no-keys": Fault(
        forget_keys, "credentials", "error", "no AWS credentials", "aws sts get-caller-identity"
    ),
    "expired-keys": Fault(refuse_keys, "credentials", "error", "ExpiredToken", "aws sts get-caller-identity"),
    "no-token": Fault(lose_token, "credentials", "error", "No such file", "aws sts"),
    "torn-configuration": Fault(
        write("aws-config", "[profile x\n"), "credentials", "error", "parse", "aws configure list"
    ),
    "no-address": Fault(
        setenv("AWS_ENDPOINT_URL_STS", "nowhere"), "credentials", "error", "Invalid endpoint", "unset AWS_END"
    ),
    "no-certificates": Fault(
        setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem"), "certificates", "error", "no file /nowhere", "unset"
    ),
    "no-profile": Fault(setenv("AWS_PROFILE", "gone"), "credentials", "error", "gone", "aws sts"),
    "no-region": Fault(change(f'region = "{REGION}"', ""), "region", "error", "none is set", "[env.prod]"),
    "no-such-region": Fault(
        change(f'region = "{REGION}"', 'region = "eu-west-l"'), "region", "error", "not known", '"eu-west-'
    ),
    "clock": Fault(set_clock_back, "clock", "error", "behind AWS's", "set-ntp"),
    "other-account": Fault(
        change(f'role_arn = "{IAM}', 'role_arn = "arn:aws:iam::999999999999'),
        "identity",
        "error",
        "999999999999",
        "assume_role_arn",
    ),
    "other-owner": Fault(
        add('bucket_owner = "999999999999"'), "bucket", "error", "999999999999", "bucket_owner"
    ),
    # The bucket.
    "no-bucket": Fault(
        change('bucket = "pets', 'bucket = "gone'), "bucket", "error", "not exist", "bootstrap"
    ),
    "bucket-unset": Fault(
        change('bucket = "', '# bucket = "'), "bucket", "error", "none is set", "bootstrap"
    ),
    "bucket-away": Fault(move_bucket, "bucket", "error", "us-west-2", REGION),
    "read-only": Fault(forbid("s3:PutObject"), "bucket-write", "error", "not permitted", "s3:PutObject"),
    "write-only": Fault(
        forbid("s3:GetObject"), "bucket-write", "error", "reading s3://", "s3:GetObject and s3:Put"
    ),
    "not-to-be-listed": Fault(
        forbid("s3:ListBucket"), "bucket-write", "error", "listing s3://", "s3:ListBucket"
    ),
    "key-of-bucket": Fault(disable_key_of_bucket, "bucket-write", "error", "disabled", "its KMS key"),
    "plain-http": Fault(allow_http, "bucket-tls", "warning", "without TLS", "bootstrap"),
    "unencrypted": Fault(
        forget_encryption, "bucket-encryption", "warning", "not encrypted", "aws s3api put-"
    ),
    "public": Fault(open_bucket, "bucket-public-access", "warning", "BlockPublicAcls", "aws s3api put-"),
    "no-versions": Fault(forget_versions, "bucket-versioning", "warning", "no versions", "aws s3api put-"),
    # What else the account has.
    "no-role": Fault(change("-sagemaker", "-gone"), "role", "error", "does not exist", "bootstrap"),
    "untrusting": Fault(trust_nobody, "role", "error", "does not let", "bootstrap"),
    "too-trusting": Fault(trust_everybody, "role-trust", "warning", "aws:SourceAccount", ACCOUNT),
    "not-to-be-passed": Fault(forbid_passing, "pass-role", "error", "iam:PassRole", "iam:PassRole"),
    "no-key": Fault(
        add('kms_key = "1234abcd-12ab-34cd-56ef-1234567890ab"'), "keys", "error", "not exist", "describe-key"
    ),
    "disabled-key": Fault(disable_key, "keys", "error", "Disabled", "describe-key"),
    "no-image": Fault(contain(f'image = "{IMAGE}/gone:1"'), "image", "error", "gone", "docker push"),
    "quota": Fault(limit(30), "quota", "error", "30 are needed", "ml.c5.xlarge for endpoint usage"),
    "quota-of-updates": Fault(limit(15), "quota", "warning", "30 at a time", "ml.c5.xlarge"),
    "no-alarm": Fault(
        add('rollout = { alarms = ["gone"], final_bake_seconds = 600 }'),
        "alarms",
        "error",
        "'gone'",
        "orchestrator alarms",
    ),
    "ringing": Fault(ring_alarm, "alarms", "error", "ALARM", "orchestrator alarms"),
    "no-topic": Fault(miss_topic, "topics", "error", "does not exist", "create-topic --name sagemaker-gone"),
    "no-subnet": Fault(miss_subnet, "network", "error", "subnet-0a1b2c3d", "endpoint.vpc"),
    "two-networks": Fault(mix_networks, "network", "error", "one VPC", "endpoint.vpc"),
    "idle-rule": Fault(forget_target, "events", "warning", "no target", "bootstrap"),
    "lock": Fault(leave_attempt, "lock", "note", "left it behind", "--fix"),
}


# One examination for several: each takes as long as all checks do.
TOGETHER = (
    (
        *(
            "credentials-file",
            "proxy",
            "no-certificates",
            "unpatched",
            "newer-torch",
            "unencrypted",
            "public",
        ),
        *("no-versions", "plain-http", "too-trusting", "not-to-be-passed", "idle-rule", "lock"),
    ),
    ("disabled-key", "no-subnet", "no-alarm", "read-only"),
    ("no-key", "two-networks", "ringing", "temp-folder"),
)
OF_PROJECT_TOGETHER = (
    ("torn-model", "misnamed-class", "bad-case", "loose"),
    ("no-model", "broken-source", "no-case", "empty-glob"),
    ("no-source", "other-label", "own-torch"),
)


def alone(faults: dict[str, Fault]) -> list[str]:
    grouped = {name for names in (*TOGETHER, *OF_PROJECT_TOGETHER) for name in names}
    return [name for name in faults if name not in grouped]


@pytest.mark.parametrize("name", alone(FAULTS))
def test_a_planted_fault_is_found_with_its_fix(site: Site, name: str) -> None:
    check(site, FAULTS[name])


@pytest.mark.parametrize("names", TOGETHER, ids="-".join)
def test_faults_that_have_nothing_to_do_with_each_other_are_all_found_at_once(
    site: Site, names: tuple[str, ...]
) -> None:
    check(site, *(FAULTS[name] for name in names))


@pytest.mark.parametrize("name", alone(OF_PROJECT))
def test_a_fault_of_the_project_is_found_without_any_cloud(project: Site, name: str) -> None:
    project.shell.setenv("ORCHESTRATOR_STATE_DIR", str(project.folder / "state"))
    check(project, replace(OF_PROJECT[name], env="local"))


@pytest.mark.parametrize("names", OF_PROJECT_TOGETHER, ids="-".join)
def test_several_faults_of_the_project_are_all_found_at_once(project: Site, names: tuple[str, ...]) -> None:
    project.shell.setenv("ORCHESTRATOR_STATE_DIR", str(project.folder / "state"))
    check(project, *(replace(OF_PROJECT[name], env="local") for name in names))


def check(site: Site, *faults: Fault) -> None:
    """Plant faults of one environment, and look for each of them and for nothing else."""
    for fault in faults:
        fault.plant(site)
    seen = site.doctor("--env", faults[0].env)
    for fault in faults:
        told = [one for one in seen.of(fault.check) if fault.word in one["what"]]
        said = [one for one in told if fault.fix in one["fix"]]
        assert said, json.dumps(seen.document, indent=1)
        assert said[0]["severity"] == fault.severity
    broken = any(one["severity"] == "error" for one in seen.findings)
    assert seen.code == (3 if broken else 0)
    others = {one["check"] for one in seen.findings if one["severity"] != "note"}
    known = {VARIABLE}.union(*({fault.check, fault.also} for fault in faults))
    assert others - known == set(), json.dumps(seen.findings, indent=1)
