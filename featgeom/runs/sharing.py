"""Work on a run that may be shared among the workers of a cluster, which open the run by its path.

What a worker makes comes back with claims as evidence and words: what they are about is not sent, but found
again in the features of the run.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse, vstack

from featgeom.arrays import Ints
from featgeom.certificates.claim import Claim
from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.files import json_bytes
from featgeom.progress import bar
from featgeom.remarks import caution, heard, remark
from featgeom.runs.again import images_again
from featgeom.runs.claims import StoredClaim, about_of, bare, is_bare
from featgeom.runs.run import Run
from featgeom.runs.subjects import Subjects
from featgeom.threads import set_threads
from featgeom.workers import in_order, in_use

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.models.classifier import Classifier

Item = TypeVar("Item")
Made = TypeVar("Made")


def shared(
    run: Run,
    work: Callable[[Run, Item], Made],
    items: Sequence[Item],
    what: str,
    progress: bool = False,
    known: Subjects | None = None,
) -> Iterator[Made]:
    """What ``work(run, item)`` makes of each item, in order, by the workers of a `cluster` if one is in use.

    There ``work`` is a function of a module, or a `partial` of one. Remarks of workers are said here.
    ``known`` is what claims are about, where that is not the features of the run alone.
    """
    made: Iterator[Made]
    if in_use():
        letters = _Letters(lambda: run.subjects if known is None else known)
        made = map(letters.read, in_order(_Task(run, work), items))
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
) -> dict[str, Any]:
    """Arrays by name that ``work`` makes of some rows, joined: a `cluster` is asked for ``size`` at a time.

    Where none is in use all are asked for at once.
    """
    step = size if in_use() else max(len(rows), 1)
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


class _Task:
    """Work on a run as it is sent: the run's path, its digest, a mark by which a worker knows it again."""

    def __init__(self, run: Run, work: Callable[[Run, Any], Any]) -> None:
        self.folder, self.arch, self.work = str(run.folder.absolute()), run.arch, work
        self.digest, self.mark = _digest(run), uuid4().hex

    def __call__(self, item: Any) -> bytes:
        said: list[str] = []
        with heard(said.append, alone=True):
            made = self.work(_run_of(self.folder, self.arch, self.digest, self.mark), item)
        file = io.BytesIO()
        _Writer(file, pickle.HIGHEST_PROTOCOL).dump((made, said))
        return file.getvalue()


def _digest(run: Run) -> str:
    """What tells two runs apart: what was asked, with the digests of network and images."""
    return hashlib.sha256(json_bytes(run.asked)).hexdigest()


@lru_cache(maxsize=1)
def _run_of(folder: str, arch: str | None, digest: str, mark: str) -> Run:
    """The run as a worker has it, opened once for all tasks of one `shared`."""
    set_threads()
    try:
        run = _RunOfWorker(Path(folder), arch=arch)
    except BadData as error:
        raise BadData(f"{error}; every worker must find the run under this path") from None
    if _digest(run) != digest:
        raise BadData(f"{folder}: a worker finds another run there; every worker must see the same folder")
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


class _Subjects:
    """Stands for what claims are about, in what is sent."""


SUBJECTS = _Subjects()


class _Writer(pickle.Pickler):
    """Writes claims that name what they are about by these words and their evidence."""

    def persistent_id(self, value: Any) -> str | None:
        """The mark of what is not sent."""
        return type(value).__name__ if isinstance(value, _Subjects) else None

    def reducer_override(self, value: Any) -> Any:
        """How a claim is put together again."""
        if isinstance(value, StoredClaim) and value.claim is not None:
            claim = value.claim
            again = type(claim), claim.evidence, value.about, dict(claim.words), is_bare(claim), SUBJECTS
            return _stored_again, (value.name, value.kind, dict(value.about), again)
        if isinstance(value, Claim) and value.words:
            return _again, (
                type(value),
                value.evidence,
                about_of(value),
                value.words,
                is_bare(value),
                SUBJECTS,
            )
        return NotImplemented


def _again(
    kind: type[Claim],
    evidence: dict[str, Any],
    about: dict[str, str],
    words: Mapping[str, str],
    without: bool,
    known: Subjects,
) -> Claim:
    """A claim of its evidence and of what it is ``about``; ``without`` its points, where it had none."""
    claim = kind(**evidence, **known.fields(kind, about), words=words)
    return bare(claim) if without else claim


def _stored_again(name: str, kind: str, about: dict[str, str], again: tuple[Any, ...]) -> StoredClaim:
    return StoredClaim(name, kind, _again(*again), "", about)


class _Letters:
    """Reads what workers made, and says what they had to say."""

    def __init__(self, known: Callable[[], Subjects]) -> None:
        self._known = known

    @cached_property
    def known(self) -> Subjects:
        """What claims are about, from which points are taken once and not for every claim."""
        return _Remembering(self._known())

    def read(self, letter: bytes) -> Any:
        """What a worker made."""
        reader = pickle.Unpickler(io.BytesIO(letter))
        reader.persistent_load = lambda _: self.known  # type: ignore[method-assign]
        made, said = reader.load()
        for line in said:
            caution(line)
        return made


class _Remembering(Subjects):
    """Subjects that give the same array for the same words."""

    def __init__(self, other: Subjects) -> None:
        self.__dict__ |= other.__dict__
        self._points: dict[str, NDArray[Any]] = {}

    def points(self, words: str) -> NDArray[Any]:
        """The rows that the words name, (n, d)."""
        if words not in self._points:
            self._points[words] = super().points(words)
        return self._points[words]
