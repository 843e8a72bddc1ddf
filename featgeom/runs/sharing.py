"""Work on a run that may be shared among the workers of a cluster, which open the run by its path.

A worker does nothing with other code, or where it finds other files, than the process that asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np
from scipy.sparse import issparse, vstack

from featgeom._version import __version__
from featgeom.arrays import Ints
from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.features.manifest import MANIFEST, SHARD
from featgeom.files import digest_of, json_bytes
from featgeom.progress import bar
from featgeom.remarks import caution, heard, remark
from featgeom.runs.again import images_again
from featgeom.runs.letters import Letters, written
from featgeom.runs.run import RUN, Run
from featgeom.runs.subjects import Subjects
from featgeom.threads import set_threads
from featgeom.workers import in_order, in_use

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.models.classifier import Classifier

Item = TypeVar("Item")
Made = TypeVar("Made")
PACKAGE = "featgeom"


def shared(
    run: Run,
    work: Callable[[Run, Item], Made],
    items: Sequence[Item],
    what: str,
    progress: bool = False,
    known: Subjects | None = None,
    files: Sequence[str] | None = None,
) -> Iterator[Made]:
    """What ``work(run, item)`` makes of each item, in order, by the workers of a `cluster` if one is in use.

    There ``work`` is a function of a module, or a `partial` of one. Remarks of workers are said here.
    ``known`` is what claims are about, where that is not the features of the run alone; ``files`` are those
    in the run's folder that the work rests on, as they are now: the features, if nothing else is said.

    Raises BadData where a worker finds another run, other files, or another version of featgeom.
    """
    made: Iterator[Made]
    if in_use():
        letters = Letters(lambda: run.subjects if known is None else known)
        task = _Task(run, work, features_files(run) if files is None else files)
        made = (_heard(*letters.read(letter)) for letter in in_order(task, items))
    else:
        made = (work(run, item) for item in items)
    yield from bar(made, desc=what, total=len(items), disable=not progress)


def images_are_shared(run: Run) -> bool:
    """Whether a `cluster` is in use whose workers find network and images where run.json says.

    Those that came from memory they do not find, which is said.
    """
    if not in_use():
        return False
    found = None not in (run.asked["model"]["source"], run.asked["data"]["source"])
    if not found:
        remark("network or images came from memory, where no worker finds them: this process does it alone")
    return found


def in_parts(
    run: Run,
    work: Callable[[Run, Ints], Mapping[str, Any]],
    rows: Ints,
    size: int,
    what: str,
    progress: bool = False,
    most: int | None = None,
) -> dict[str, Any]:
    """Arrays by name that ``work`` makes of some rows, joined: a `cluster` is asked for ``size`` at a time.

    Where none is in use all are asked for at once, or ``most`` at a time, but not less than ``size``.
    """
    step = size if in_use() else max(len(rows) if most is None else most, size)
    parts = [rows[start : start + step] for start in range(0, max(len(rows), 1), step)]
    return joined(list(shared(run, work, parts, what, progress)))


def joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arrays by name, sparse or not, from their parts, one below the other.

    >>> joined([{"a": np.zeros(2)}, {"a": np.ones(1)}])
    {'a': array([0., 0., 1.])}
    """

    def one(name: str) -> Any:
        values = [part[name] for part in parts]
        return vstack(values, format="csr") if issparse(values[0]) else np.concatenate(values)

    return {name: one(name) for name in parts[0]} if len(parts) > 1 else dict(parts[0])


def features_files(run: Run) -> list[str]:
    """The files of all features in the run's folder."""
    return [f"features/{split}/{name}" for split in run.splits for name in (MANIFEST, SHARD)]


def _heard(made: Made, said: list[str]) -> Made:
    """What a worker made, after what it had to say."""
    for line in said:
        caution(line)
    return made


class _Task:
    """Work on a run as it is sent: its path, what is seen of it, a mark by which a worker knows it again."""

    def __init__(self, run: Run, work: Callable[[Run, Any], Any], files: Sequence[str]) -> None:
        self.folder, self.arch, self.work = str(run.folder.absolute()), run.arch, work
        self.seen, self.mark = tuple(_seen(run, files).items()), uuid4().hex

    def __call__(self, item: Any) -> bytes:
        said: list[str] = []
        with heard(said.append, alone=True):
            made = self.work(_run_of(self.folder, self.arch, self.seen, self.mark), item)
        return written((made, said))


def _seen(run: Run, files: Iterable[str]) -> dict[str, str]:
    """What must be the same for a worker: this package, what was asked, and files of the run, by digests."""
    return {
        PACKAGE: _code(),
        RUN: hashlib.sha256(json_bytes(run.asked)).hexdigest(),
        **{place: _digest(run.folder / place) for place in files},
    }


def _digest(path: Path) -> str:
    """The digest of a file as it is now, or why there is none."""
    try:
        return digest_of(path)
    except OSError as error:
        return type(error).__name__


@cache
def _code() -> str:
    """The version of this package with a digest of its sources, which change more often."""
    room, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(room.rglob("*.py")):
        digest.update(json_bytes([path.relative_to(room).as_posix(), digest_of(path)]))
    return f"{__version__} {digest.hexdigest()}"


@lru_cache(maxsize=1)
def _run_of(folder: str, arch: str | None, seen: tuple[tuple[str, str], ...], mark: str) -> Run:
    """The run as a worker has it, opened once for all tasks of one `shared`."""
    set_threads()
    if dict(seen)[PACKAGE] != _code():
        raise BadData(f"a worker has another version of {PACKAGE}, or changed; all need the same")
    try:
        run = _RunOfWorker(Path(folder), arch=arch)
    except BadData as error:
        raise BadData(f"{error}; every worker must find the run under this path") from None
    mine = _seen(run, [place for place, _ in seen if place not in (PACKAGE, RUN)])
    for place, digest in seen:
        if mine[place] != digest:
            another = "run" if place == RUN else place
            raise BadData(
                f"{folder}: a worker finds another {another} there; every worker must see the same folder"
            )
    return run


class _RunOfWorker(Run):
    """A run whose features and images were looked at by who asks; what it needs it opens once."""

    def features(self, split: str, checked: bool = False) -> FeatureSet:
        """The features of one part, not checked again."""
        return self._once(("features", split), lambda: Run.features(self, split, checked=False))

    def classifier(self, device: str = "cpu") -> Classifier:
        """The network."""
        return self._once(("network", device), lambda: Run.classifier(self, device))

    def images(self, split: str) -> ImageSet:
        """The images of one part, not checked again."""
        return self._once(
            ("images", split), lambda: images_again(self.asked, self.folder, split, checked=False)
        )

    @cached_property
    def _made(self) -> dict[tuple[str, str], Any]:
        return {}

    def _once(self, what: tuple[str, str], make: Callable[[], Any]) -> Any:
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]
