"""What was scaled and why, as DescribeScalingActivities tells it, newest first."""

import uuid
from collections import deque
from dataclasses import dataclass

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.autoscaling.capacities import words
from orchestrator.localcloud.autoscaling.scalables import NAMESPACE, Key
from orchestrator.localcloud.world import Content, Scope

_KEPT = 500
_PAGE = 50


@dataclass(slots=True)
class Activity:
    """One change of a capacity.

    Attributes:
        count: What it is to become.
        begun: In seconds since 1970; so is ``ended``, which is ``None`` while it is under way.
        status: A ``ScalingActivityStatusCode`` of the API.
    """

    name: str
    key: Key
    count: int
    cause: str
    begun: float
    ended: float | None = None
    status: str = "InProgress"
    message: str = ""

    def shown(self) -> Content:
        """Return it in the form of the API."""
        content = {
            "ActivityId": self.name,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": self.key.resource,
            "ScalableDimension": self.key.dimension,
            "Description": f"Setting {words(self.key)} to {self.count}.",
            "Cause": self.cause,
            "StartTime": self.begun,
            "StatusCode": self.status,
            "StatusMessage": self.message,
        }
        return content if self.ended is None else {**content, "EndTime": self.ended}


class Activities:
    """The last activities of each account and region."""

    def __init__(self) -> None:
        self._kept: dict[Scope, deque[Activity]] = {}

    def begin(self, scope: Scope, key: Key, count: int, cause: str, now: float) -> Activity:
        """Note that a change has begun."""
        activity = Activity(str(uuid.uuid4()), key, count, cause, now)
        activity.message = (
            f"Successfully set {words(key)} to {count}. Waiting for change to be fulfilled by sagemaker."
        )
        self._kept.setdefault(scope, deque(maxlen=_KEPT)).appendleft(activity)
        return activity

    def settle(self, scope: Scope, key: Key, present: int, now: float) -> None:
        """Note how the changes of ``key`` that are under way have ended, now that it stands still."""
        for activity in self._kept.get(scope, ()):
            if activity.key == key and activity.ended is None:
                activity.ended = now
                if present == activity.count:
                    activity.status = "Successful"
                    what = f"Successfully set {words(key)} to {activity.count}."
                    activity.message = f"{what} Change successfully fulfilled by sagemaker."
                else:
                    activity.status = "Failed"
                    activity.message = f"Failed to set {words(key)} to {activity.count}: it is {present}."

    def fail(self, activity: Activity, reason: str, now: float) -> None:
        """Note that a change was refused."""
        activity.status, activity.ended = "Failed", now
        activity.message = f"Failed to set {words(activity.key)} to {activity.count}. Reason: {reason}"

    def shown(self, scope: Scope, request: Content) -> Content:
        """Answer DescribeScalingActivities.

        Raises:
            ApiError: If the token is none, or what it stands for is kept no longer.
        """
        found = [
            activity
            for activity in self._kept.get(scope, ())
            if request.get("ResourceId", activity.key.resource) == activity.key.resource
            and request.get("ScalableDimension", activity.key.dimension) == activity.key.dimension
        ]
        token = str(request.get("NextToken") or "")
        names = [activity.name for activity in found]
        if token and token not in names:
            raise ApiError("InvalidNextTokenException", "The next token supplied was invalid.")
        first = names.index(token) + 1 if token else 0
        size = int(request.get("MaxResults") or _PAGE)
        page = found[first : first + size]
        answer: dict[str, object] = {"ScalingActivities": [activity.shown() for activity in page]}
        if len(found) > first + size:
            answer["NextToken"] = page[-1].name
        return answer
