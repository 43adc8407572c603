"""Failures of a task: which are worth another try, and as what the others reach the caller.

Celery's JSON backend carries a class by its name and plain arguments, so only classes that the caller has arrive as what
they are: those of `runpodkit.errors`, and Python's own.
"""

from __future__ import annotations

from pydantic import ValidationError

import runpodkit.errors as errors
from runpodkit.params import explain
from runpodkit.tasks.shown import plain_text, plain_value

_STAYING = (errors.NoSuchKeyError, errors.StoreRefusedError)
_PASSING = (errors.StoreError, errors.LedgerError, errors.TransportError, errors.ServerError, errors.RateLimitError)


def passes(error: Exception) -> bool:
    """Whether it may be over in a minute, and trying again is safe: what was sent is known to the ledger.

    A bad value, a job that failed, a refused key, a budget and a missing setting stay what they are.
    """
    if isinstance(error, errors.RunHeldError):
        return error.passes
    return isinstance(error, _PASSING) and not isinstance(error, _STAYING)


def as_told(error: Exception) -> Exception:
    """The error as the caller gets it: of a class it has, with plain arguments and no secret in them."""
    if isinstance(error, ValidationError):
        return ValueError(plain_text(explain(error)))
    if isinstance(error, errors.RunpodkitError):
        return _ours(type(error))(*(plain_value(argument) for argument in error.args))
    if isinstance(error, ValueError | TypeError):
        return (
            type(error)(plain_text(str(error)))
            if type(error) in (ValueError, TypeError)
            else ValueError(plain_text(str(error)))
        )
    return error


def _ours(found: type[errors.RunpodkitError]) -> type[errors.RunpodkitError]:
    """The nearest class that `runpodkit.errors` has."""
    return next(one for one in found.__mro__ if one.__module__ == errors.__name__)
