"""From the tables of `orchestrator.toml`, once they are valid, to the values that everything else sees."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from orchestrator.adapters.spectables import Document
from orchestrator.core import containers, spec


def spec_of(path: Path, document: Document, environment: str, settings: Mapping[str, object]) -> spec.Spec:
    """Return the spec that ``document`` says, with the ``settings`` that were resolved for ``environment``.

    Raises:
        SpecError: If it names a container profile that there is not.
    """
    package = document.package
    return spec.Spec(
        name=document.name,
        root=str(path.resolve().parent),
        model=_model(document),
        target=_target(document, environment, settings),
        entrypoint=_entrypoint(document),
        package=spec.PackageSpec(tuple(package.include), package.requirements, package.layout),
        golden=spec.GoldenSpec(document.golden.cases, document.golden.atol),
        serving=spec.ServingSpec(**document.serving.model_dump()),
        policy=spec.PolicySpec(tuple(sorted(document.policy.model_dump(exclude_none=True).items()))),
    )


def _model(document: Document) -> spec.ModelSpec:
    model = document.model
    return spec.ModelSpec(
        path=model.path,
        class_=_optional(model.class_),
        format=model.format,
        init_args=tuple(cast("dict[str, spec.Literal]", model.init_args).items()),
        license=model.license,
        state_dict_key=model.state_dict_key,
        strip_prefix=model.strip_prefix,
        allow_code=model.allow_code,
    )


def _entrypoint(document: Document) -> spec.EntryPointSpec:
    entrypoint = document.entrypoint
    return spec.EntryPointSpec(
        task=entrypoint.task,
        preprocess=_optional(entrypoint.preprocess),
        postprocess=_optional(entrypoint.postprocess),
        inputs=tuple(
            (name, spec.TensorSpec(tensor.dtype, tuple(tensor.shape)))
            for name, tensor in document.schema_.input.items()
        ),
        options=tuple(entrypoint.options.items()),
    )


def _optional(reference: str | None) -> spec.Reference | None:
    return None if reference is None else spec.Reference.parse(reference)


def _target(document: Document, environment: str, settings: Mapping[str, object]) -> spec.Target:
    profile = document.container.profile or containers.DEFAULT_PROFILE
    containers.find(profile)
    tags = {key.removeprefix("tags."): str(item) for key, item in settings.items() if key.startswith("tags.")}
    text = {
        key: cast("str | None", settings[key])
        for key in ("region", "bucket", "role_arn", "assume_role_arn", "kms_key", "bucket_owner")
    }
    return spec.Target(
        environment=environment,
        region=text["region"],
        bucket=text["bucket"],
        role=text["role_arn"],
        instance_type=cast("str", settings["endpoint.instance_type"]),
        instance_count=cast("int", settings["endpoint.instance_count"]),
        keep_revisions=cast("int", settings["keep_revisions"]),
        profile=profile,
        image=document.container.image,
        tags=tuple(sorted(tags.items())),
        assume_role=text["assume_role_arn"],
        kms_key=text["kms_key"],
        bucket_owner=text["bucket_owner"],
    )
