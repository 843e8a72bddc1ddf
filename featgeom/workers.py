"""Work shared among processes, on this machine or on many, by `dask.distributed` (the extra ``cluster``).

Nothing is shared unless a `cluster` is in use: then each task is a function of a module and one thing to do,
and what they make comes back in order. A worker's threads and memory are those of its own environment
(FEATGEOM_THREADS, FEATGEOM_MEMORY).
"""

from __future__ import annotations

import importlib.util
import logging
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

from featgeom.errors import BadArgument, FeatgeomError, Unsupported
from featgeom.limits import BUDGET, MOST, max_memory, memory_budget
from featgeom.options import checked_count
from featgeom.remarks import caution
from featgeom.threads import LIBRARIES, VARIABLE, threads

if TYPE_CHECKING:
    from distributed import Client

Given = TypeVar("Given")
Made = TypeVar("Made")
PATIENCE = 20  # seconds in which a scheduler has to answer
SOON = 5  # seconds after which it is said that no worker is there
AHEAD = 4  # tasks that wait beside those that workers have, so that what comes back does not fill memory
_clients: list[Client] = []
_dropped = Event()  # an interruption


@contextmanager
def cluster(workers: int | None = None, scheduler: str | None = None) -> Iterator[None]:
    """Share work among ``workers`` processes of this machine, or those of the ``scheduler`` at an address.

    What is shared: extraction, hulls and their pairs, flips in feature and in pixel space, verification.
    Workers open run, images and checkpoint by their paths, which must be theirs, too. The processes here
    share this one's threads and memory and speak by TLS with keys of their own; whoever reaches a scheduler
    elsewhere can run code on its workers. A worker that is lost costs the time of its tasks. With neither of
    the two nothing is shared.

    Raises BadArgument where both are given or nobody answers, and Unsupported without the extra ``cluster``.
    A script that asks for ``workers`` must guard its main part by ``if __name__ == "__main__"``, as for every
    use of processes.

    >>> with cluster():
    ...     in_use()
    False
    """
    if workers is None and scheduler is None:
        yield
        return
    if workers is not None and scheduler is not None:
        raise BadArgument("workers, scheduler: expected one of the two")
    if importlib.util.find_spec("distributed") is None:
        needs = "workers and schedulers need dask.distributed"
        raise Unsupported(f"{needs}: python -m pip install 'featgeom[cluster]'")
    with (
        _silent(),
        _noting(),
        _local(workers) if workers is not None else _elsewhere(str(scheduler)) as client,
    ):
        _clients.append(client)
        try:
            yield
        finally:
            _clients.remove(client)


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    """Processes of this machine that share its threads and memory."""
    checked_count("workers", workers, 1, 1024)
    from distributed import Client, LocalCluster

    each = str(max(1, threads() // workers))
    environment = dict.fromkeys((VARIABLE, *LIBRARIES), each)
    environment |= {BUDGET: str(memory_budget() // workers), MOST: str(max_memory())}
    try:
        with held_back(), _uninterrupted():
            made = LocalCluster(
                n_workers=workers, threads_per_worker=1, memory_limit=0, env=environment, security=True,
                dashboard_address="localhost:0", silence_logs=logging.CRITICAL,
            )  # fmt: skip
    except RuntimeError as error:  # as when there are too few files or too little memory for so many
        raise FeatgeomError(f"{workers} processes could not be started ({error}); try fewer") from None
    with made, Client(made) as client:
        yield client


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back an interruption (Ctrl-C) until after, and for good from processes that are started meanwhile.

    So it comes to this process alone, which ends the others, and never in the midst of their start.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let interruptions through, did it start meanwhile
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def held_back() -> Iterator[None]:
    """Heed an interruption (Ctrl-C) that comes meanwhile afterwards, and the second of them at once.

    Python drops what is raised while an object is cleared away, as the answers of dask are when they have
    been read; and whoever is interrupted in the midst of reading one gets no other.
    """
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or not callable(before):
        yield
        return
    came: list[Any] = []

    def note(*given: Any) -> None:
        came.append(given)
        if len(came) > 1:
            before(*given)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


@contextmanager
def _noting() -> Iterator[None]:
    """Note an interruption that Python drops all the same, as while it collects garbage at another time."""
    before = sys.unraisablehook

    def note(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            _dropped.set()
        else:
            before(dropped)

    _dropped.clear()
    sys.unraisablehook = note
    try:
        yield
    finally:
        sys.unraisablehook = before


def _heed() -> None:
    """Raise an interruption that was dropped."""
    if _dropped.is_set():
        _dropped.clear()
        raise KeyboardInterrupt


@contextmanager
def _elsewhere(scheduler: str) -> Iterator[Client]:
    """The workers of a scheduler that somebody else started, and stops."""
    from distributed import Client

    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        said = f"no scheduler of dask answers at '{scheduler}' ({type(error).__name__})"
        raise BadArgument(f"scheduler: {said}; expected an address such as tcp://host:8786") from None
    with client:
        yield client


@contextmanager
def _silent() -> Iterator[None]:
    """Keep dask from writing to standard error: what is wrong is said once, by an error."""
    import distributed

    loggers = [logging.getLogger(distributed.__name__ + part) for part in ("", ".client")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def in_use() -> bool:
    """Whether work is shared."""
    return bool(_clients)


def in_order(task: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
    """What ``task`` makes of each item, in order, by the workers of the `cluster` that is in use.

    Each item is sent to a worker, as is what it makes of it: both should be small, and ``task`` a function of
    a module. Raises what ``task`` raises, and FeatgeomError where one item loses its worker again and again
    or the scheduler is gone.
    """
    from distributed import CancelledError, KilledWorker

    client, todo = _clients[-1], iter(items)
    waiting: deque[Any] = deque()
    try:
        while True:
            _heed()
            room = AHEAD + 2 * sum(client.nthreads().values()) - len(waiting)
            with held_back():
                waiting += [client.submit(task, item, pure=False) for _, item in zip(range(room), todo)]
            if not waiting:
                return
            _await(client, waiting[0])
            with held_back():
                made = waiting.popleft().result()
            _heed()
            yield made
    except KilledWorker:
        why = "several workers ended in the midst of the same task; they may lack memory (--memory)"
        raise FeatgeomError(why) from None
    except (CancelledError, OSError) as error:
        if client.status == "running":
            raise
        raise FeatgeomError(f"the scheduler of dask is gone ({type(error).__name__})") from None
    finally:
        if client.status == "running":
            client.cancel(list(waiting))


def _await(client: Client, future: Any) -> None:
    """Wait for an answer, and say once where no worker is there that could give one."""
    answered, said = Event(), False
    future.add_done_callback(lambda _: answered.set())
    while not (answered.wait(SOON) or future.done()):
        if not said and not client.nthreads():
            caution("the scheduler of dask has no workers: waiting for one to come")
            said = True
