"""Messages that a Celery worker took and can end no more: it was killed, or lost its connection before they began.

They go back to their queue, so that another worker takes the task up; which job it sent stands in the ledger.  A message
that is worked on stays with its worker, for however many hours.  What a task does is no business of this module.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from celery import Celery
from celery.worker import state

from runpodkit.runs.owners import is_dead, this_process
from runpodkit.tasks.broker import HOLDERS, held_tags

GONE_S = 12.0
"""A worker of another machine counts as gone so long after it was last taken for alive, which it is for 15 s."""


class LostMessages:
    """Gives them back; one per process, as it remembers who is missing since when."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._missing_since: dict[str, float] = {}
        self._odd: set[str] = set()

    def give_back(self, workers: Collection[str]) -> int:
        """Put the messages of workers that are gone back into their queues; gives how many.

        Args:
            workers: Main processes of Celery workers that were heard of lately.

        Raises:
            kombu.exceptions.OperationalError: the broker does not answer.
        """
        with self._app.connection_for_write() as connection:
            channel = connection.default_channel
            with channel.conn_or_acquire() as client:
                holders = client.hgetall(f"{channel.global_keyprefix}{HOLDERS}")
                texts = {_text(tag): _text(owner) for tag, owner in holders.items()}
                mine = {tag for tag, owner in texts.items() if owner == this_process()}
                alive = mine & (held_tags() | _running())
                if alive:  # or kombu would deliver it again after `visibility_timeout`
                    client.zadd(channel.unacked_index_key, dict.fromkeys(alive, time.time()), xx=True)
            gone = self._gone({*texts.values()}, workers)
            lost = [tag for tag, owner in texts.items() if owner in gone]
            lost += self._dropped(mine - alive)
            for tag in lost:
                channel.qos.restore_by_tag(tag)
        return len(lost)

    def _gone(self, owners: set[str], workers: Collection[str]) -> set[str]:
        now = time.monotonic()
        absent = owners - {*workers} - {this_process()}
        self._missing_since = {owner: self._missing_since.get(owner, now) for owner in absent}
        return {owner for owner, since in self._missing_since.items() if is_dead(owner) or now - since > GONE_S}

    def _dropped(self, odd: set[str]) -> set[str]:
        """What Celery forgot with a connection that broke: not running, and of no connection that stands; seen twice."""
        before, self._odd = self._odd, odd
        return before & odd


def _running() -> set[str]:
    return {request.message.delivery_tag for request in list(state.active_requests)}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
