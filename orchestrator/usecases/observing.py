"""Put together all that is known of one endpoint, from the three services that know it."""

from dataclasses import replace

from orchestrator.core import names
from orchestrator.core.alarms import config_of
from orchestrator.core.resources import EndpointConfig, State
from orchestrator.core.revision import Revision
from orchestrator.usecases.edge import Edge


def observe(endpoint: str, edge: Edge, *, wanted: Revision | None = None) -> State:
    """Return the endpoint, all that was made for it, its autoscaling and its generated alarms.

    Args:
        endpoint: Its name.
        edge: The environment.
        wanted: A revision that was adopted has names of another form, by which an inventory does not find
            what belongs to it; it is looked up by its name.
    """
    state = edge.inventory.observe(endpoint)
    if wanted is not None:
        state = _with_adopted(state, wanted, edge)
    prefix = f"{names.stem(endpoint)}-"
    alarms = (name for name in edge.alarms.begin_with(prefix) if _is_generated(name, endpoint))
    return replace(
        state,
        scalings=edge.autoscaling.observe(endpoint, variants_of(state)),
        alarms=frozenset(alarms),
    )


def variants_of(state: State) -> tuple[str, ...]:
    """Return the names of all variants that may be scaled, sorted."""
    serving = state.endpoint.variants if state.endpoint else ()
    configured = (variant.name for config in state.configs for variant in config.variants)
    return tuple(sorted({*configured, *(variant.name for variant in serving)}))


def _is_generated(alarm: str, endpoint: str) -> bool:
    config = config_of(alarm)
    return config is not None and names.is_content_name(config, endpoint)


def _with_adopted(state: State, wanted: Revision, edge: Edge) -> State:
    models = {model.name for model in state.models}
    missing = [name for name in sorted(wanted.config.models - models) if _is_adopted(name, wanted)]
    found = [model for name in missing if (model := edge.inventory.model(name)) is not None]
    return replace(
        state, models=state.models | frozenset(found), configs=state.configs | _config(wanted, edge)
    )


def _config(wanted: Revision, edge: Edge) -> frozenset[EndpointConfig]:
    if not _is_adopted(wanted.name, wanted):
        return frozenset()
    config = edge.inventory.config(wanted.name)
    return frozenset() if config is None else frozenset({config})


def _is_adopted(name: str, wanted: Revision) -> bool:
    return not names.is_content_name(name, wanted.endpoint)
