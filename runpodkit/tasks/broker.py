"""The Celery worker's connection to its broker, which survives the death of Redis while a task runs, and odd messages.

When the connection is lost, kombu (5.7) still asks it for its address, to put messages back into their queue and to
acknowledge tasks that end meanwhile.  It is gone by then, and the AttributeError would end the worker.  Here the
loss is told as what it is, which Celery knows how to bear: messages are delivered again, and upkeep
dispatches runs that have no driver.

Redis also hears who holds each message.  Kombu itself would give back the message of a worker that was killed after an
hour (`visibility_timeout`); knowing whose it was, `lost` does so within the minute.

Celery unpacks a message's body before it has asked what that is: bytes, a number or an empty list would end the worker,
and the next one, as the message is delivered again.  Here such a body cannot be decoded, which is told and put aside.
"""

from __future__ import annotations

import weakref
from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.exceptions import DecodeError
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.exceptions import ConnectionError as RedisConnectionError

from runpodkit.images.bounded_json import MAX_DEPTH, is_deep
from runpodkit.runs.owners import this_process

HOLDERS = "holders"
"""Key of a hash in Redis: by delivery tag, the process that took the message."""


class _QoS(kombu_redis.QoS):
    """Messages taken and not yet acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _all_open.add(self)

    def append(self, message: Any, delivery_tag: str) -> None:
        with self.pipe_or_acquire() as pipe:
            pipe.hset(HOLDERS, delivery_tag, this_process()).execute()
        super().append(message, delivery_tag)

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        return super()._remove_from_indices(delivery_tag, pipe).hdel(HOLDERS, delivery_tag)


_all_open: weakref.WeakSet[_QoS] = weakref.WeakSet()


def held_tags() -> set[str]:
    """Delivery tags of what this process took over connections that still stand."""
    return {tag for qos in list(_all_open) if not qos.channel.closed for tag in list(qos._delivered)}


class _Message(virtual.Message):
    def _decode(self) -> Any:
        body = super()._decode()
        task = self.headers.get("task") if isinstance(self.headers, dict) else None
        if not (_is_task(body) if task else isinstance(body, list) or (isinstance(body, dict) and "task" not in body)):
            raise DecodeError("the body of a message is not what this version of Celery sends")
        if is_deep(body):  # handing it to a child would end the worker, and the next one
            raise DecodeError(f"the body of a message is nested deeper than {MAX_DEPTH}")
        return body


def _is_task(body: Any) -> bool:
    """Positional and named arguments, and what is to follow, by name."""
    if not (isinstance(body, list) and [type(part) for part in body] == [list, dict, dict]):
        return False
    return all(part is None or isinstance(part, list | dict) for part in body[2].values())


class _Channel(kombu_redis.Channel):
    QoS = _QoS
    Message = _Message

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(asynchronous=asynchronous)


class _Transport(kombu_redis.Transport):
    Channel = _Channel


class _Connection(Connection):
    def get_transport_cls(self) -> Any:
        """Ours in the place of kombu's for Redis; another broker keeps its own."""
        found = super().get_transport_cls()
        return _Transport if found is kombu_redis.Transport else found


class SturdyAMQP(AMQP):  # type: ignore[misc]
    """What Celery asks for connections."""

    Connection = _Connection
