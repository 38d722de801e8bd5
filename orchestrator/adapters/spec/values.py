"""From the tables of `orchestrator.toml`, once they are valid, to the values that everything else sees."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from orchestrator.adapters.spec.layers import Chosen
from orchestrator.adapters.spec.tables import Document
from orchestrator.adapters.spec.target import target_of
from orchestrator.core import spec


def spec_of(
    path: Path,
    document: Document,
    environment: str,
    chosen: Mapping[tuple[str, ...], Chosen],
    name: str,
) -> spec.Spec:
    """Return the spec that ``document`` says for the endpoint ``name``, with the settings that were chosen.

    Raises:
        SpecError: If the settings contradict each other, or it names a container profile that there is not.
    """
    package = document.package
    return spec.Spec(
        name=name,
        root=str(path.resolve().parent),
        model=_model(document),
        target=target_of(document, environment, chosen),
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
