"""Every error this package raises on its own account.

RunpodkitError
├── ConfigError              a setting is missing or contradicts another
├── TransportError           no answer arrived                .may_be_accepted
├── ProtocolError            an answer arrived that we cannot read
├── ApiError                 the service refused              .status_code
│   ├── AuthError            401, 403
│   ├── NotFoundError        404: unknown endpoint, or a job past its retention
│   ├── RateLimitError       429                              .retry_after_s
│   └── ServerError          5xx
├── JobError                 a job ended without output       .job_id, .status, .reason
│   ├── JobFailedError
│   ├── JobCancelledError
│   └── JobTimedOutError     the service gave up on the job
├── WaitTimeoutError         we gave up; the job runs on      .job_id
├── OutputError              a job's output holds no picture that can be read
├── RunHeldError             a run needs a person             .run, .reason, .passes
├── RunConflictError         the name belongs to another sweep .run
├── DriftError               the endpoint draws something else than it did .run
├── LedgerError              Redis cannot be read or written
├── StackError               a stand-in cannot be started     .part, .cure
└── StoreError               an artifact cannot be read or written
    ├── NoSuchKeyError       the store answered, and has no such key
    └── StoreRefusedError    the store answered, and refuses us: keys, bucket, region or clock are wrong

Arguments are plain values, so every error survives pickle and Celery's JSON.
Python's own errors stay for a caller's mistakes (`ValueError`, `TypeError`), and
pydantic's `ValidationError` passes unwrapped.
"""

from __future__ import annotations


class RunpodkitError(Exception):
    """The base of every error of this package."""


class ConfigError(RunpodkitError):
    """A setting is missing or contradicts another; the message says what to set."""


class TransportError(RunpodkitError):
    """No answer arrived."""

    def __init__(self, message: str, may_be_accepted: bool = True) -> None:
        super().__init__(message, may_be_accepted)
        self.message = message
        self.may_be_accepted = may_be_accepted
        """False only where the request was certainly never sent: repeating it is then safe."""

    def __str__(self) -> str:
        return self.message


class ProtocolError(RunpodkitError):
    """An answer arrived that we cannot read."""


class ApiError(RunpodkitError):
    """The service refused."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(status_code, message)
        self.status_code, self.message = status_code, message

    def __str__(self) -> str:
        return f"HTTP {self.status_code}: {self.message}"


class AuthError(ApiError):
    """The key is missing, wrong, or has no rights to this endpoint."""


class NotFoundError(ApiError):
    """The endpoint or the job is unknown; a job is also forgotten 30 minutes after its end."""


class RateLimitError(ApiError):
    """Too many requests."""

    def __init__(self, status_code: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(status_code, message)
        self.args = (status_code, message, retry_after_s)
        self.retry_after_s = retry_after_s


class ServerError(ApiError):
    """The service broke; for a submission it is unknown whether the job exists."""


class JobError(RunpodkitError):
    """A job ended without output."""

    def __init__(self, job_id: str, status: str, reason: str) -> None:
        super().__init__(job_id, status, reason)
        self.job_id, self.status, self.reason = job_id, status, reason

    def __str__(self) -> str:
        return f"job {self.job_id} ended {self.status}: {self.reason}"


class JobFailedError(JobError):
    """The handler raised, returned an error, or its worker died."""


class JobCancelledError(JobError):
    """Somebody cancelled the job."""


class JobTimedOutError(JobError):
    """The service gave up on the job."""


class WaitTimeoutError(RunpodkitError):
    """We stopped waiting; the job runs on and may still be paid for."""

    def __init__(self, job_id: str, timeout_s: float, why: str | None = None) -> None:
        super().__init__(job_id, timeout_s, why)
        self.job_id, self.timeout_s = job_id, timeout_s
        self.why = why
        """What kept it in the queue, if that is known."""

    def __str__(self) -> str:
        because = f" ({self.why})" if self.why else ""
        return (
            f"job {self.job_id} had not ended after {self.timeout_s:g} s{because}; it runs on, cancel it or wait again"
        )


class OutputError(RunpodkitError):
    """A job's output holds no picture that can be read."""


class RunHeldError(RunpodkitError):
    """A run needs a person."""

    def __init__(self, run: str, reason: str, passes: bool = False) -> None:
        super().__init__(run, reason, passes)
        self.run, self.reason = run, reason
        self.passes = passes
        """Whether it ends by itself: endpoint, store or Redis do not answer just now."""

    def __str__(self) -> str:
        return f"run {self.run} is held: {self.reason}"


class RunConflictError(RunpodkitError):
    """A run of this name exists with another sweep; the message shows the difference and the ways out."""

    def __init__(self, run: str, difference: str) -> None:
        super().__init__(run, difference)
        self.run, self.difference = run, difference

    def __str__(self) -> str:
        return (
            f"a run named {self.run!r} exists with another sweep ({self.difference}). "
            f"Use another name=, or fresh=True to make {self.run}-2"
        )


class DriftError(RunpodkitError):
    """An endpoint draws other pictures than those of a run that was to grow: their models would be mixed."""

    def __init__(self, run: str, found: str, allowed: float) -> None:
        super().__init__(run, found, allowed)
        self.run, self.found, self.allowed = run, found, allowed

    def __str__(self) -> str:
        return (
            f"run {self.run} was drawn by another model than its endpoint has now: made again, {self.found} "
            f"(up to {self.allowed:g} is the same picture). Nothing was added. Give the new model a name, RUNPODKIT_MODEL "
            "or `model` in endpoints.toml, so that its pictures are not taken for the old ones, and start a run of "
            "its own (fresh=True); anchors=0 mixes both all the same"
        )


class LedgerError(RunpodkitError):
    """Redis cannot be read or written."""


class StackError(RunpodkitError):
    """A stand-in cannot be started."""

    def __init__(self, part: str, reason: str, cure: str) -> None:
        super().__init__(part, reason, cure)
        self.part, self.reason, self.cure = part, reason, cure

    def __str__(self) -> str:
        return f"{self.part} cannot be started: {self.reason}. {self.cure}"


class StoreError(RunpodkitError):
    """An artifact cannot be read or written."""


class NoSuchKeyError(StoreError):
    """The store answered, and has no such key."""


class StoreRefusedError(StoreError):
    """The store answered, and refuses us: keys, bucket, region or clock are wrong, and waiting mends none of them."""
