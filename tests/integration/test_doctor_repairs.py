"""What `orchestrator doctor` says of what is well, of what it may not see, and what `--fix` does."""

import json

import pytest

from tests.support import doctored
from tests.support.doctored import VARIABLE, Site, policy
from tests.support.planting import (
    forget_encryption,
    forget_versions,
    leave_attempt,
    loosen_credentials,
    loosen_state,
    open_bucket,
    remove,
)

pytestmark = pytest.mark.slow

LOCAL_BUCKET = "orchestrator-local"


# pytest finds a fixture by its name in the module of the tests.
cloud, project, site = doctored.cloud, doctored.project, doctored.site


def test_nothing_is_wrong_with_a_healthy_project(site: Site) -> None:
    seen = site.doctor()
    assert (seen.code, seen.findings) == (0, [])
    assert {one["outcome"] for one in seen.document["checked"]} == {"fine"}


def test_of_a_healthy_account_only_the_variable_is_told_that_leads_to_it(site: Site) -> None:
    seen = site.doctor("--env", "prod")
    assert [(one["check"], one["severity"]) for one in seen.findings] == [(VARIABLE, "warning")]
    assert seen.code == 0
    assert site.doctor("--env", "prod", "--strict").code == 3
    assert {one["outcome"] for one in seen.document["checked"]} == {"fine", "found"}


def test_a_healthy_project_stays_healthy_once_it_is_deployed(site: Site) -> None:
    site.change('[golden]\ncases = "golden/*.json"\n', "")  # a stand-in serves it
    assert site.run("deploy", "--quiet") == 0
    assert site.doctor().findings == []
    seen = site.doctor(site.name)
    assert (seen.code, seen.document["endpoint"], seen.findings) == (0, site.name, [])
    lose_artifact(site)
    (gone,) = site.doctor().of("endpoint")
    assert (gone["severity"], gone["what"]) == ("error", "it is gone: new instances cannot start")
    site.api("sagemaker").delete_endpoint(EndpointName=site.name)
    await_gone(site)
    (gone,) = site.doctor().of("endpoint")
    assert (gone["what"], gone["fix"]) == ("there is none", "orchestrator deploy")


def lose_artifact(site: Site) -> None:
    found = site.api("s3").list_objects_v2(Bucket=LOCAL_BUCKET, Prefix=f"orchestrator/{site.name}/")
    keys = [one["Key"] for one in found["Contents"] if "/artifacts/" in one["Key"]]
    for key in keys:
        site.api("s3").delete_object(Bucket=LOCAL_BUCKET, Key=key)


def await_gone(site: Site) -> None:
    waiter = site.api("sagemaker").get_waiter("endpoint_deleted")
    waiter.wait(EndpointName=site.name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})


def test_an_endpoint_that_was_named_has_to_be_there(site: Site) -> None:
    seen = site.doctor("owl", "--env", "prod")
    assert seen.code == 3
    assert [(one["check"], one["what"]) for one in seen.findings] == [("endpoint", "there is none")]


def weaken(site: Site) -> None:
    """Plant everything that `--fix` can mend, but for a local cloud that does not run."""
    for plant in (
        loosen_state,
        loosen_credentials,
        forget_encryption,
        open_bucket,
        forget_versions,
        leave_attempt,
    ):
        plant(site)


MENDABLE = {
    "state-folder",
    "credentials-file",
    "bucket-encryption",
    "bucket-public-access",
    "bucket-versioning",
    "lock",
}


def tag(site: Site) -> None:
    marks = {"TagSet": [{"Key": "orchestrator:stack", "Value": "account"}]}
    site.api("s3").put_bucket_tagging(Bucket=site.name, Tagging=marks)


def test_what_can_be_mended_is_mended_and_nothing_else_has_changed(site: Site) -> None:
    tag(site)
    weaken(site)
    spec, before = site.spec.read_text(), site.api("s3").get_bucket_policy(Bucket=site.name)["Policy"]
    assert {one["check"] for one in site.doctor("--env", "prod").findings if one["fixable"]} == MENDABLE
    seen = site.doctor("--env", "prod", "--fix")
    assert {one["check"] for one in seen.document["fixed"]} == MENDABLE
    assert {one["check"] for one in seen.findings} == {VARIABLE}
    assert seen.err.count("done: ") == len(MENDABLE)
    assert site.spec.read_text() == spec
    assert site.api("s3").get_bucket_policy(Bucket=site.name)["Policy"] == before
    assert site.cloud.state_dir.stat().st_mode & 0o777 == 0o700
    assert (site.folder / "aws-credentials").stat().st_mode & 0o777 == 0o600
    assert site.doctor("--env", "prod", "--fix").document["fixed"] == []


def test_a_dry_run_says_what_would_be_mended_and_does_nothing(site: Site) -> None:
    weaken(site)
    seen = site.doctor("--env", "prod", "--fix", "--dry-run")
    assert seen.document["fixed"] == []
    assert "would let nobody else use" in seen.err
    assert {one["check"] for one in site.doctor("--env", "prod").findings} >= MENDABLE


def test_a_bucket_of_somebody_else_is_left_as_it_is(site: Site) -> None:
    open_bucket(site)
    seen = site.doctor("--env", "prod", "--fix")
    assert [one["fixable"] for one in seen.of("bucket-public-access")] == [False]
    assert seen.document["fixed"] == []
    assert "nothing that was found can be mended" in seen.err


def test_a_local_cloud_that_does_not_run_is_a_note_and_is_started_by_a_repair(site: Site) -> None:
    site.shell.setenv("ORCHESTRATOR_STATE_DIR", str(site.folder / "state"))
    seen = site.doctor()
    assert [(one["check"], one["severity"], one["fixable"]) for one in seen.findings] == [
        ("local-cloud", "note", True)
    ]
    assert seen.outcome("bucket") == "not looked at"
    site.undone.callback(site.run, "local-cloud", "stop", "--quiet")
    assert [one["what"] for one in site.doctor("--fix").document["fixed"]] == ["start the local cloud"]
    assert site.doctor().findings == []


def test_what_may_not_be_looked_at_is_a_note_and_stops_nothing(site: Site) -> None:
    denied = json.dumps(policy(site.name, Action="s3:GetBucketVersioning"))
    site.api("s3").put_bucket_policy(Bucket=site.name, Policy=denied)
    seen = site.doctor("--env", "prod")
    (note,) = seen.of("bucket-versioning")
    assert (seen.code, note["severity"]) == (0, "note")
    assert "not permitted" in note["what"]
    assert seen.outcome("lock") == "fine"


def test_nobody_who_answers_is_a_note_and_the_rest_is_said(site: Site) -> None:
    site.shell.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    remove("model.safetensors")(site)
    seen = site.doctor("--env", "prod")
    assert {one["check"] for one in seen.findings if one["severity"] == "error"} == {"model"}
    (note,) = (one for one in seen.findings if one["severity"] == "note")
    assert "could not be reached" in note["what"]
    assert seen.outcome("bucket") == "not looked at"


def test_all_that_is_wrong_with_a_spec_is_told_at_once(site: Site) -> None:
    site.change("bucket =", "buket =")
    site.add('keep_revisions = "5"')
    assert len(site.doctor("--env", "prod").of("spec")) == 2
