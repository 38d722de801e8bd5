"""Carry out a plan, one step at a time, and record every step before and after it."""

from orchestrator.core.errors import ConflictError, OrchestratorError
from orchestrator.core.ports import Progress
from orchestrator.core.resources import EndpointStatus
from orchestrator.core.steps import PutScaling, RemoveScaling, Route, Step, SuspendScaling
from orchestrator.usecases.change import Applied, Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Hold
from orchestrator.usecases.perform import Task, perform, verify
from orchestrator.usecases.recording import Recorder


def apply(change: Change, edge: Edge, progress: Progress, hold: Hold) -> Applied:
    """Carry out ``change``; it may be cut short anywhere and planned again.

    A plan without steps still asks the golden cases: it is how a deployment that was killed after its
    last step gets its record.

    Raises:
        OrchestratorError: If a step fails or the deployment does not arrive; the journal says so too.
        ConflictError: If somebody else holds the endpoint, or changed it since this was planned.
    """
    task = Task(change, edge, progress, hold)
    recorder = Recorder(change, edge, hold)
    with recorder.deployment():
        try:
            return _carry_out(task, recorder)
        except ConflictError:
            raise  # the endpoint is somebody else's now
        except OrchestratorError as error:
            _give_back(error, task, recorder)
            raise


def _carry_out(task: Task, recorder: Recorder) -> Applied:
    plan = task.change.plan
    done = Applied()
    for number, step in enumerate(plan, start=1):
        task.progress.started(step, number, len(plan))
        with recorder.step(step, number):
            done = done.then(perform(step, task))
            if done.under_way:
                recorder.leave_open()
        if done.under_way:
            return done
        task.progress.finished(step)
    if task.change.revision is not None and not any(isinstance(step, Route) for step in plan):
        done = done.then(verify(task))
    return done


def _give_back(error: OrchestratorError, task: Task, recorder: Recorder) -> None:
    """Make autoscaling what it was, where the endpoint is in service again, or still."""
    held = {
        step.scaling.key if isinstance(step, SuspendScaling) else (step.variant, step.dimension)
        for step in task.change.plan
        if isinstance(step, (SuspendScaling, RemoveScaling))
    }
    seen = [s for s in task.change.observed.scalings if s.key in held]
    back = {s.key: s for s in (*seen, *task.change.owed)}
    try:
        if not back or not _serves(task):
            return
        for key in sorted(back):
            step: Step = PutScaling(task.change.endpoint, back[key])
            with recorder.step(step, len(task.change.plan)):
                perform(step, task)
    except OrchestratorError as second:
        error.add_detail("autoscaling", f"takes nothing away until it is put back: {second}")


def _serves(task: Task) -> bool:
    now = task.edge.cloud.endpoint(task.change.endpoint, tags=False)
    return now is not None and now.status is EndpointStatus.IN_SERVICE and now.pending is None
