"""All cases, by theme; a theme's answers lie in the file of its name."""

from tests.conformance import (
    cases_context,
    cases_deaths,
    cases_default_models,
    cases_default_outputs,
    cases_defaults,
    cases_discovery,
    cases_encoding,
    cases_errors,
    cases_forms,
    cases_inputs,
    cases_limits,
    cases_outputs,
    cases_signatures,
    cases_surroundings,
)
from tests.conformance.cases import Case

THEMES: dict[str, tuple[Case, ...]] = {
    "context": (*cases_context.CASES, *cases_signatures.CASES),
    "defaults": (*cases_defaults.CASES, *cases_encoding.CASES, *cases_default_models.CASES),
    "discovery": (*cases_discovery.CASES, *cases_surroundings.CASES),
    "errors": (*cases_errors.CASES, *cases_deaths.CASES),
    "inputs": (*cases_inputs.CASES, *cases_forms.CASES),
    "limits": cases_limits.CASES,
    "outputs": (*cases_outputs.CASES, *cases_default_outputs.CASES),
}
