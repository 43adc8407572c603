"""The Celery worker's connection to its broker, which survives the death of Redis while a task runs.

When the connection is lost, kombu (5.7) still asks it for its address, to put messages back into their queue and to
acknowledge tasks that end meanwhile.  It is gone by then, and the AttributeError would end the worker.  Here the
loss is told as what it is, which Celery knows how to bear: messages are delivered again, and upkeep
dispatches runs that have no driver.
"""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError


class _Channel(kombu_redis.Channel):
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
