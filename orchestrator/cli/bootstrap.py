"""`orchestrator bootstrap`."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from orchestrator.api.selection import Manner
from orchestrator.cli import completing, opening, stacks
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import RefusedError
from orchestrator.core.groundwork import ACCOUNT_STACK
from orchestrator.core.stacks import Stack
from orchestrator.usecases.bootstrap import Draft, Wanted

if TYPE_CHECKING:
    from orchestrator.api.bootstrapping import Asked, Bootstrap, Rewrite

_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say, besides the common ones."""

    emit: str | None
    dry_run: bool
    endpoints: tuple[str, ...]
    account_only: bool
    stack_name: str
    parameters: tuple[str, ...]
    no_write: bool
    overwrite: bool
    timeout: float

    def asked(self) -> "Asked":
        """Return what is to be set up.

        Raises:
            click.UsageError: If options contradict each other, or a parameter is none.
        """
        from orchestrator.api.bootstrapping import Asked  # noqa: PLC0415 - slow: help needs no boto3

        if self.account_only and self.endpoints:
            raise click.UsageError("--account-only does not go with --endpoint")
        pairs = [given.partition("=") for given in self.parameters]
        for key, equals, _ in pairs:
            if not (key and equals):
                raise click.UsageError(f"--parameter takes KEY=VALUE, not '{key}'")
        endpoints = () if self.account_only else self.endpoints or None
        given = tuple(sorted({key: value for key, _, value in pairs}.items()))
        return Asked(endpoints, self.stack_name, given, self.overwrite)


@dataclass
class Session:
    """One run of the command: what it is about, and what has come of it so far.

    Attributes:
        documents: Of the stacks, for scripts.
        waiting: The names of the stacks that a dry run cannot say anything about yet.
    """

    boot: "Bootstrap"
    options: Options
    terminal: Terminal
    dry_run: bool = False
    documents: list[dict[str, object]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def set_up(self, wanted: Sequence[Wanted]) -> list[Stack | None]:
        """Bring stacks to what they are to be, after one question; ``None`` for what a dry run leaves out."""
        self._clear(wanted)
        drafts: list[Draft] = []
        carried: list[Draft] = []
        try:
            for one in wanted:
                if one.name not in self.waiting:
                    drafts.append(self.boot.draft(one))
                    self.terminal.status("")
                    self.terminal.say(stacks.text(drafts[-1]))
            busy = [draft for draft in drafts if not draft.nothing_to_do]
            if busy and not self.dry_run:
                self._confirm(stacks.summary(busy))
            return [self._carried_out(draft, carried) for draft in drafts]
        finally:
            for draft in drafts:
                if draft not in carried:
                    self.boot.discard(draft)
            self.terminal.status("")

    def _carried_out(self, draft: Draft, carried: list[Draft]) -> Stack | None:
        if draft.nothing_to_do or self.dry_run:
            outcome = "nothing-to-do" if draft.nothing_to_do else "would-change"
            self.documents.append(stacks.document(draft, outcome, draft.before))
            return draft.before
        carried.append(draft)
        try:
            made = self.boot.carry_out(draft)
        except KeyboardInterrupt:
            raise stacks.interrupted(draft) from None
        self.documents.append(stacks.document(draft, "created" if draft.before is None else "changed", made))
        return made

    def _clear(self, wanted: Sequence[Wanted]) -> None:
        """Delete, with consent, what creations that failed have left in the way."""
        for one in wanted:
            left = self.boot.remains(one)
            if left is None:
                continue
            self.terminal.say(f"stack {one.name} is {left.stack.status}: it could not be made the last time")
            for cause in left.causes:
                self.terminal.say(f"  {cause}")
            self.terminal.say("  it has to be deleted before it can be made")
            if self.dry_run:
                self.waiting.append(one.name)
            else:
                self._confirm(f"delete what is left of {one.name}")
                self.boot.clear(left)
                self.terminal.status("")

    def _confirm(self, doing: str) -> None:
        account = f"account {self.boot.account_number} in {self.boot.connected.region}"
        is_unattended = not self.options.yes and not self.options.interactive
        if is_unattended and not self.boot.is_rehearsal:
            raise RefusedError(
                "nobody is there to confirm a change of the account",
                details=[("change", f"{account}: {doing}"), ("state", "nothing has changed")],
                hint="orchestrator bootstrap --yes",
            )
        self.terminal.confirm(f"{account}: {doing}?", destructive=False)

    def summary(self) -> str:
        """Return what became of each stack, a line each."""
        lines = [f"stack {one['name']}: {str(one['outcome']).replace('-', ' ')}" for one in self.documents]
        return "\n".join([*lines, *(f"stack {name}: not known yet" for name in self.waiting)])

    def document(self, spec: dict[str, object]) -> dict[str, object]:
        """Return the whole run for scripts; ``spec`` is what became of the spec."""
        return {
            "environment": self.options.env,
            "account": self.boot.account_number,
            "region": self.boot.connected.region,
            "caller": self.boot.connected.caller,
            "stacks": self.documents,
            "unknown": self.waiting,
            "spec": spec,
        }


@click.command("bootstrap")
@click.option(
    "--emit",
    is_flag=False,
    flag_value=_STDOUT,
    metavar="[DIR]",
    shell_complete=completing.files,
    help="Write the templates and their parameters to a folder, or print the templates; touch no account.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.endpoints,
    help="Only this one's stack; may be repeated.",
)
@click.option("--account-only", is_flag=True, help="No stacks of endpoints.")
@click.option(
    "--stack-name", default=ACCOUNT_STACK, show_default=True, metavar="NAME", help="The account's stack."
)
@click.option(
    "--parameter", "parameters", multiple=True, metavar="KEY=VALUE", help="Of a template; may be repeated."
)
@click.option("--no-write", is_flag=True, help="Leave the spec as it is.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace what says something else: settings of the spec, or emitted files.",
)
@opening.timeout_option
@with_options
def command(options: Options, **given: Any) -> None:  # noqa: ANN401 - Click has checked them, `Given` names them
    """Set up what an account needs, and write into the spec what was made.

    One CloudFormation stack for the account and region: a bucket, its key, an execution role, a deployer
    role, a topic. One for each endpoint of the spec: alarms, a dashboard, how long logs are kept. It shows
    what would change, asks, waits, and writes bucket, roles and key into [env.NAME]; comments and order stay.
    It works as whoever you are, and can be run again at any time: what is there is not made twice.

    It ends with 0 if all is there, 4 if a stack failed and is as it was before, 5 if a stack is neither what
    it was nor what was asked for, 7 if somebody else changes it, 8 if it is not over yet.

    With --env local it is a rehearsal on the local cloud. With --emit it needs no account and no spec.

    \b
    Examples:
      orchestrator bootstrap
      orchestrator bootstrap --env prod --region eu-central-1 --dry-run
      orchestrator bootstrap --env prod --parameter NotificationEmail=ml@example.com --yes
      orchestrator bootstrap --emit infrastructure
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    from orchestrator.api.bootstrapping import Bootstrap  # noqa: PLC0415 - slow: help needs no boto3

    asked = Given(**given)
    terminal = Terminal(options)
    if asked.emit is not None:
        _emit(asked, options, terminal)
        return
    manner = Manner(start_local=True, deadline_seconds=asked.timeout)
    boot = Bootstrap(
        opening.selection(options), asked.asked(), manner, onlooker=stacks.TerminalOnlooker(terminal)
    )
    _set_up(Session(boot, options, terminal, asked.dry_run), writes=not asked.no_write)


def _set_up(session: Session, *, writes: bool) -> None:
    boot, terminal, options = session.boot, session.terminal, session.options
    terminal.say(f"account {boot.account_number} in {boot.connected.region}, as {boot.connected.caller}")
    if boot.is_new and writes:
        terminal.say(f"{options.config} says nothing about [env.{options.env}] yet: it will be added")
        if boot.nearest:
            terminal.warn(
                [f"the spec has an environment '{boot.nearest}': see that '{options.env}' is meant"]
            )
    unwatched = {name: boot.unwatched(name) for name in boot.endpoints}
    terminal.warn([_unwatched(name, variants) for name, variants in unwatched.items() if variants])
    account = next(iter(session.set_up([boot.account()])), None)
    if account is None:
        session.waiting += [boot.stack_of(name) for name in boot.endpoints]
        terminal.say("what the endpoints' stacks would be is known when the account's is there")
        terminal.result(session.summary(), session.document({"written": False, "why": "dry run"}))
        return
    for name in boot.elsewhere:
        terminal.warn([f"endpoint '{name}' is in another region by the spec, and has no stack here"])
    here = [name for name in boot.endpoints if name not in boot.elsewhere]
    session.set_up([boot.endpoint(name, account) for name in here])
    told, spec = _settings(session, account, writes=writes)
    terminal.result(f"{session.summary()}\n{told}", session.document(spec))


def _unwatched(endpoint: str, variants: Sequence[str]) -> str:
    return (
        f"the stack of endpoint '{endpoint}' has alarms for one variant, and none for {', '.join(variants)}: "
        "--parameter VariantName=NAME chooses which"
    )


def _settings(session: Session, account: Stack, *, writes: bool) -> tuple[str, dict[str, object]]:
    """Write what the account's stack has made into the spec, and return what became of that."""
    boot, terminal = session.boot, session.terminal
    if boot.is_rehearsal:
        why = "a rehearsal: the local cloud needs nothing in the spec"
        return f"the spec is as it was: {why}", {"written": False, "why": why}
    rewrite = boot.rewrite(account)
    document: dict[str, object] = {"path": boot.selection.path, "settings": dict(rewrite.settings)}
    if not rewrite.changes:
        return "the spec says all of it already", {**document, "written": False, "why": "says it already"}
    terminal.say(_difference(rewrite, boot.selection.path))
    why = "--no-write" if not writes else "dry run" if session.dry_run else ""
    if why:
        return f"the spec is as it was: {why}", {**document, "written": False, "why": why}
    if rewrite.differing and session.options.interactive and not session.options.yes:
        terminal.confirm(
            f"replace {', '.join(rewrite.differing)} in {boot.selection.path}?", destructive=False
        )
        rewrite = rewrite.consented()
    terminal.warn(boot.write(rewrite))
    keys = ", ".join(rewrite.settings)
    return f"{boot.selection.path}: [env.{session.options.env}] says {keys}", {**document, "written": True}


def _difference(rewrite: "Rewrite", path: str) -> str:
    lines = difflib.unified_diff(
        rewrite.old.splitlines(), rewrite.new.splitlines(), path, path, n=2, lineterm=""
    )
    return "\n".join(lines)


def _emit(asked: Given, options: Options, terminal: Terminal) -> None:
    from orchestrator.api import bootstrapping  # noqa: PLC0415 - slow: help needs no boto3

    chosen = opening.selection(options)
    if asked.emit is not None and asked.emit != _STDOUT:
        written = bootstrapping.emit(chosen, asked.asked(), asked.emit)
        terminal.result("\n".join(written), {"files": written})
        return
    files = bootstrapping.emitted(chosen, asked.asked())
    # Two documents of one stream, each told by its comment.
    shown = {name: text for name, text in files.items() if name.endswith(".yaml")}
    text = "---\n".join(f"# {name}\n{content}" for name, content in shown.items())
    terminal.result(text.rstrip("\n"), {"files": files})
