"""`orchestrator verify`."""

import click

from orchestrator.api import wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("verify")
@click.argument("archive", type=click.Path(dir_okay=False))
@with_options
def command(options: Options, archive: str) -> None:
    """Check ARCHIVE: compression, member names, layout, and every file's digest. Nothing in it is run.

    \b
    Examples:
      orchestrator verify model.tar.gz
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    verified = wiring.verify(archive)
    built_with = ", ".join(f"{name} {version}" for name, version in verified.manifest.built_with)
    document = {
        "archive": archive,
        "identity": verified.identity,
        "files": len(verified.manifest.files),
        "built_with": dict(verified.manifest.built_with),
        "license": verified.manifest.license,
    }
    text = f"{archive}: {verified.identity[:12]}, {len(verified.manifest.files)} files as its manifest says"
    license_ = verified.manifest.license or "not stated"
    Terminal(options).result(f"{text} (built with {built_with}; license {license_})", document)
