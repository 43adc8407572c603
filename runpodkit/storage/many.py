"""Many values at once: threads that write, read or copy, never more of them in memory than threads.

Works on any store, for each may be shared by threads.  Retries are the store's own; what
fails after them stops the rest.  Repeating is safe: a key that is there is replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from runpodkit.errors import StoreError
from runpodkit.storage import Store

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8


def put_all(
    store: Store,
    items: Iterable[tuple[str, bytes]],
    threads: int = THREADS,
    advance: Callable[[], object] | None = None,
) -> int:
    """Write many values.

    Args:
        items: Keys and values; the next one is asked for when a thread is free to write it.
        threads: How many are written at once, and how many values are in memory at most; n >= 1.
        advance: Called after each, in the caller's thread.

    Returns:
        How many were written.

    Raises:
        StoreError: one could not be written; the message names it and says how many are there.
    """
    return each(lambda item: store.put(*item), items, threads, advance, "stored")


def copy_all(
    source: Store,
    keys: Iterable[str],
    target: Store,
    threads: int = THREADS,
    advance: Callable[[], object] | None = None,
) -> int:
    """Copy values from one store to another under the same keys; arguments, result and errors as of `put_all`."""
    return each(lambda key: target.put(key, source.get(key)), keys, threads, advance, "copied")


def get_all(store: Store, keys: Iterable[str], threads: int = THREADS) -> Iterator[tuple[str, bytes]]:
    """Keys and values in the order asked for, read ahead by as many as there are threads.

    Raises:
        StoreError: at the value that could not be read.
    """
    return in_order(lambda key: (key, store.get(key)), keys, threads)


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int = THREADS) -> Generator[R, None, None]:
    """`work` of each item, in their order; at most `threads` results are begun and not yet taken.

    Who stops asking stops the work: what was not begun never is.
    """
    with ThreadPoolExecutor(threads, "runpodkit store") as pool:
        begun: deque[Future[R]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) == threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def each(
    work: Callable[[T], object],
    items: Iterable[T],
    threads: int,
    advance: Callable[[], object] | None,
    done_is: str,
) -> int:
    """`work` on each item, in any order, until the first failure; gives how many there were.

    Args:
        done_is: What a finished one is called in the message of a StoreError, such as "stored".
    """
    count = 0
    rest = iter(items)
    with ThreadPoolExecutor(threads, "runpodkit store") as pool:
        flying: set[Future[object]] = set()
        more = True
        while more or flying:
            while more and len(flying) < threads:
                try:
                    # Nothing here keeps the item: once it is written, its memory is free for the next.
                    flying.add(pool.submit(work, next(rest)))
                except StopIteration:
                    more = False
            ended, flying = wait(flying, return_when=FIRST_COMPLETED)
            failure: BaseException | None = None
            for future in ended:
                if (error := future.exception()) is None:
                    count += 1
                    if advance:
                        advance()
                else:
                    failure = failure or error
            if failure is None:
                continue
            count += sum(future.exception() is None for future in wait(flying).done)
            if isinstance(failure, StoreError):
                told = f"{count} {'is' if count == 1 else 'are'} {done_is}, others may not be; it is safe to repeat"
                raise type(failure)(f"{failure} ({told})") from None
            raise failure
    return count
