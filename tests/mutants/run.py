"""The mutation run: change a clause of the trusted kernel or of a check, and see whether a test notices.

    python tests/mutants/run.py [--quick] [--sample N] [--safety] [--only WORD] [--among FILE] [--out FILE]

It prints every mutant that none noticed and `harmless.py` does not explain; it ends with 1 if there is one.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import json
import multiprocessing
import random
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "featgeom"
sys.path.insert(0, str(HERE))

from cases import MODULES, TOLD, Case, cases  # noqa: E402
from harmless import why  # noqa: E402
from mutate import ROOMS, Mutant, mutants  # noqa: E402

PATIENCE = 20.0  # seconds of processor after which a mutant that does not end counts as noticed
ENOUGH = 8.0  # seconds of cases that a mutant is shown at most
SEED = 15
QUICK = ("truth", "lie", "test_it_is_not_proved")
DECLARED = ("Spec", "Claim.__init_subclass__")  # what stands in its class is looked at from elsewhere


class Sources(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports modules of the package from other sources, {"room/file.py": source}."""

    def __init__(self, sources: dict[str, str], entered: set[tuple[str, str]]) -> None:
        self.sources = {
            "featgeom." + f.removesuffix(".py").replace("/", "."): (f, s) for f, s in sources.items()
        }
        self.entered = entered

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Its place, and only that of these modules."""
        if name not in self.sources:
            return None
        found = importlib.util.spec_from_loader(name, self, origin=str(PACKAGE / self.sources[name][0]))
        assert found
        found.has_location = True
        return found

    def exec_module(self, module: Any) -> None:
        """The other source."""
        file, source = self.sources[module.__name__]
        module.__dict__["_entered"] = self.entered
        exec(compile(source, str(PACKAGE / file), "exec"), module.__dict__)


@contextlib.contextmanager
def imported_from(sources: dict[str, str], entered: set[tuple[str, str]]) -> Iterator[list[Case]]:
    """All cases, of modules imported anew from these sources."""
    for name in list(sys.modules):
        if name.split(".")[0] == "featgeom" or name in {*TOLD, *MODULES}:
            del sys.modules[name]
    finder = Sources(sources, entered)
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield list(cases())
    finally:
        sys.meta_path.remove(finder)


class Noted(ast.NodeTransformer):
    """Lets every function note that it was entered."""

    def __init__(self, file: str) -> None:
        self.file, self.at = file, ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Its methods are called after it."""
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """One more statement, the first."""
        self._inside(node)
        name = f"{self.at}.{node.name}".lstrip(".")
        node.body.insert(0, ast.parse(f"_entered.add({(self.file, name)!r})").body[0])
        return node

    def _inside(self, node: Any) -> ast.AST:
        before, self.at = self.at, f"{self.at}.{node.name}".lstrip(".")
        self.generic_visit(node)
        self.at = before
        return node


@dataclass(frozen=True)
class Plain:
    """A case where nothing is changed: the functions it enters, as (file, name), and its seconds."""

    name: str
    enters: frozenset[tuple[str, str]]
    seconds: float


def measured(quick: bool) -> list[Plain]:
    """Every case, run once; where it is to be quick, truths, lies and attacks alone."""
    sources = {}
    for path in files():
        file = f"{path.parent.name}/{path.name}"
        tree = ast.fix_missing_locations(Noted(file).visit(ast.parse(path.read_text("utf-8"))))
        sources[file] = ast.unparse(tree)
    entered: set[tuple[str, str]] = set()
    found = []
    with imported_from(sources, entered) as every:
        for case in every:
            if quick and not case.name.startswith(QUICK):
                continue
            entered.clear()
            start = time.process_time()
            case.run()
            found.append(Plain(case.name, frozenset(entered), time.process_time() - start))
    return sorted(found, key=lambda case: case.seconds)


def noticed(one: Mutant, plain: list[Plain]) -> str:
    """The first case that fails under a mutant; nothing where all pass that enter its function."""
    left = ENOUGH
    try:
        with imported_from({one.file: one.source}, set()) as every:
            by_name = {case.name: case for case in every}
            for case in plain:
                if case.seconds > left or not _enters(case, one):
                    continue
                left -= case.seconds
                try:
                    by_name[case.name].run()
                except BaseException:  # what pytest fails with is no Exception
                    return case.name
    except Exception as error:  # it cannot even be imported
        return f"import: {type(error).__name__}"
    return ""


def _enters(case: Plain, one: Mutant) -> bool:
    """Whether a case enters the function of a mutant, or, where it stands in a class, any of its methods."""
    in_file = [name for file, name in case.enters if file == one.file]
    return any(name == one.function or name.startswith(f"{one.function}.") for name in in_file) or (
        bool(in_file) and one.function in DECLARED
    )


def work(pipe: Connection, plain: list[Plain]) -> None:
    """Answer mutants with the cases that notice them, until there are no more."""
    warnings.simplefilter("ignore")
    while (one := pipe.recv()) is not None:
        signal.setitimer(signal.ITIMER_PROF, PATIENCE)  # ends this process, however busy others are
        pipe.send(noticed(one, plain))


class Worker:
    """A process that tries mutants, one at a time; begun anew where one does not end."""

    def __init__(self, plain: list[Plain]) -> None:
        self.plain = plain
        self.begin()

    def begin(self) -> None:
        """Start the process."""
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=work, args=(other, self.plain), daemon=True
        )
        self.process.start()
        self.busy: Mutant | None = None

    def give(self, one: Mutant) -> None:
        """Let it try one."""
        self.pipe.send(one)
        self.busy, self.since = one, time.monotonic()

    def answer(self) -> tuple[Mutant, str] | None:
        """The mutant it was given and what noticed it, if it is done."""
        if self.busy is None:
            return None
        one = self.busy
        try:
            if self.pipe.poll(0.02):
                found = self.pipe.recv()
                self.busy = None
                return one, found
            if self.process.is_alive() and time.monotonic() - self.since < 20 * PATIENCE:
                return None
        except EOFError:
            pass
        self.process.kill()
        self.begin()
        return one, "it does not end"


def tried(chosen: Iterable[Mutant], processes: int, quick: bool = False) -> Iterator[tuple[Mutant, str]]:
    """Every mutant with what noticed it, as they come."""
    left = iter(chosen)
    plain = measured(quick)
    workers = [Worker(plain) for _ in range(processes)]
    more = True
    while more or any(w.busy for w in workers):
        for worker in workers:
            if (found := worker.answer()) is not None:
                yield found
            if worker.busy is None and more:
                one = next(left, None)
                more = one is not None
                if one is not None:
                    worker.give(one)
    for worker in workers:
        worker.pipe.send(None)


def files() -> list[Path]:
    """The kernel and the checks."""
    return [path for room in ROOMS for path in sorted((PACKAGE / room).glob("*.py"))]


def all_mutants(only: str = "") -> list[Mutant]:
    """Those of both rooms, or of the files that have a word in their name."""
    return [one for path in files() if only in str(path.relative_to(PACKAGE)) for one in mutants(path)]


def survivors(
    chosen: list[Mutant], processes: int, said: Any = None, passes: tuple[bool, ...] = (True, False)
) -> list[Mutant]:
    """Those that no case notices: first the truths, lies and attacks are asked, then what takes longer.

    Which of them are harmless is known by then, and takes no longer.
    """
    left, fine = chosen, []
    for quick in passes:
        fine += [one for one in left if not quick and why(one)]
        left = [one for one in left if quick or not why(one)]
        if not left:
            break
        found = []
        for number, (one, by) in enumerate(tried(left, processes, quick), 1):
            if not by:
                found.append(one)
            if said and (not by or number % 50 == 0):
                what = f"unnoticed {'so far' if quick else ''}: {one.name}" if not by else ""
                print(f"{number} of {len(left)}, {len(found)} left {what}", file=said, flush=True)
        left = found
    return fine + left


def main() -> int:
    """Run it, as the first line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many of the clauses that keep lies out")
    parser.add_argument("--only", default="", help="files with this in their name")
    parser.add_argument("--safety", action="store_true", help="only clauses left out or weakened")
    parser.add_argument("--quick", action="store_true", help="show them truths, lies and attacks alone")
    parser.add_argument("--among", default="", help="only those named in this file, as --out writes it")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", default="", help="where to write the survivors as JSON")
    asked = parser.parse_args()
    chosen = all_mutants(asked.only)
    if asked.among:
        names = set(json.loads(Path(asked.among).read_text("utf-8")))
        chosen = [one for one in chosen if one.name in names]
    if asked.safety or asked.sample:
        chosen = [one for one in chosen if one.safety]
    if asked.sample:
        chosen = random.Random(SEED).sample(chosen, asked.sample)
    passes = (True,) if asked.quick else (True, False)
    found = survivors(chosen, asked.processes, sys.stderr, passes)
    new = [one for one in found if not why(one)]
    if asked.out:
        Path(asked.out).write_text(
            json.dumps([one.name for one in found], indent=1, ensure_ascii=False), "utf-8"
        )
    noted, fine = len(chosen) - len(found), len(found) - len(new)
    print(f"{len(chosen)} mutants: {noted} noticed, {fine} harmless, {len(new)} not explained")
    for one in new:
        print("  unnoticed:", one.name)
    return bool(new)


if __name__ == "__main__":
    sys.exit(main())
