"""Threads: as many as are to spare, or as asked; one that reads ahead gives all, in order, errors too."""

import os
import subprocess
import sys
import threading

import pytest
import threadpoolctl

from featgeom.errors import BadArgument
from featgeom.parallel import ahead, in_threads
from featgeom.threads import cores, set_threads, spare, threads

COUNT = """
import threadpoolctl
from featgeom.threads import set_threads
set_threads({})
import numpy, torch
print(torch.get_num_threads(), *{{pool["num_threads"] for pool in threadpoolctl.threadpool_info()}})
"""


@pytest.fixture(autouse=True)
def as_it_was():
    before = dict(os.environ), threads()
    yield
    set_threads(before[1])
    os.environ.clear()
    os.environ.update(before[0])


@pytest.mark.parametrize("load", [0.0, 0.4, 1.0, 3.5, 1000.0])
@pytest.mark.parametrize("count", [1, 2, 64])
def test_what_others_leave_is_taken_and_never_nothing(count, load):
    found = spare(count, load)
    assert 1 <= found <= count
    assert found == 1 or found + round(load) == count


def test_a_busy_machine_gets_one_thread_and_an_idle_one_all(monkeypatch):
    for name in ("FEATGEOM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert set_threads() == threads() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert set_threads() == cores()


@pytest.mark.parametrize(("name", "value", "wanted"), [
    ("FEATGEOM_THREADS", "3", 3), ("OMP_NUM_THREADS", "4,2", 4), ("FEATGEOM_THREADS", "many", 1),
])  # fmt: skip
def test_the_environment_may_say_how_many(name, value, wanted, monkeypatch):
    for other in ("FEATGEOM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert set_threads() == wanted


@pytest.mark.parametrize("count", [1, 2])
def test_every_library_is_told(count):
    asked = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    found = subprocess.run(
        [sys.executable, "-c", COUNT.format(count)], env=asked, capture_output=True, text=True, check=True
    )
    assert set(found.stdout.split()) == {str(count)}


@pytest.mark.parametrize("count", [0, -3])
def test_a_number_below_one_is_refused(count):
    with pytest.raises(BadArgument, match="threads: expected a whole number"):
        set_threads(count)


def test_work_is_shared_among_that_many_threads():
    set_threads(3)
    met, seen = threading.Barrier(3, timeout=20), set()

    def task(start, stop):
        seen.add(threading.get_ident())
        met.wait()

    in_threads(task, 3, 1)
    assert len(seen) == 3


def test_who_reads_ahead_is_in_another_thread_and_only_so_far_ahead():
    made = []

    def make(number):
        made.append((number, threading.get_ident()))
        return number

    for number in ahead(make, range(20), depth=2):
        assert len(made) <= number + 4
    assert [number for number, _ in made] == list(range(20))
    assert len({where for _, where in made}) == 1
    assert made[0][1] != threading.get_ident()


def test_an_error_of_who_reads_ahead_comes_in_its_place():
    made = ahead(lambda number: 6 // (3 - number), range(9))
    assert [next(made) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_each_chunk_multiplies_on_one_thread():
    used = []
    set_threads(2)
    told = blas()
    assert 2 in told.values()
    in_threads(lambda start, stop: used.append(set(blas().values())), 4, 1)
    assert used == [{1}] * 4
    assert blas() == told


def blas() -> dict[str, int]:
    """How many threads each library that multiplies matrices uses now; some are built for one alone."""
    pools = threadpoolctl.threadpool_info()
    return {pool["filepath"]: pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}
