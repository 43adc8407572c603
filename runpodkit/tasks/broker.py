"""The Celery worker's connection to its broker, which survives the death of Redis while a task runs, and odd messages.

When the connection is lost, kombu (5.7) still asks it for its address, to put messages back into their queue and to
acknowledge tasks that end meanwhile.  It is gone by then, and the AttributeError would end the worker.  Here the
loss is told as what it is, which Celery knows how to bear: messages are delivered again, and upkeep
dispatches runs that have no driver.

Celery unpacks a message's body before it has asked what that is: bytes, a number or an empty list would end the worker,
and the next one, as the message is delivered again.  Here such a body cannot be decoded, which is told and put aside.
"""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.exceptions import DecodeError
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.exceptions import ConnectionError as RedisConnectionError


class _Message(virtual.Message):
    def _decode(self) -> Any:
        body = super()._decode()
        task = self.headers.get("task") if isinstance(self.headers, dict) else None
        if not (_is_task(body) if task else isinstance(body, list) or (isinstance(body, dict) and "task" not in body)):
            raise DecodeError("the body of a message is not what this version of Celery sends")
        return body


def _is_task(body: Any) -> bool:
    """Positional and named arguments, and what is to follow, by name."""
    if not (isinstance(body, list) and [type(part) for part in body] == [list, dict, dict]):
        return False
    return all(part is None or isinstance(part, list | dict) for part in body[2].values())


class _Channel(kombu_redis.Channel):
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
