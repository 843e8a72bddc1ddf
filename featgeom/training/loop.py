"""Training by recipe: seeded, resumable to the bit, leaving a series of checkpoints."""

from __future__ import annotations

import inspect
import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from featgeom.errors import BadArgument, BadCheckpoint
from featgeom.files import claimed_folder, read_json, write_json, write_whole
from featgeom.locks import owned
from featgeom.models.architectures import find_architecture
from featgeom.models.checkpoints import save_checkpoint
from featgeom.options import checked_seed
from featgeom.training.augmentation import shift_and_flip
from featgeom.training.images import TrainingImages, training_images
from featgeom.training.losses import Loss, find_loss, log_of_mean_cross_entropy
from featgeom.training.optimisers import make_optimiser
from featgeom.training.recipes import Recipe, find_recipe
from featgeom.training.restart import restart_head
from featgeom.training.schedule import log_spaced, rate_at

TRAINING = "training.json"
SAVE_SECONDS = 10.0  # how much work a killed training may lose
EVALUATION_BATCH = 1024


class TrainedCheckpoint(NamedTuple):
    """A checkpoint of a training and the number of steps it has seen."""

    step: int
    path: Path


@dataclass(frozen=True, repr=False)
class TrainingRun:
    """What a training left in ``folder``.

    ``history`` has one record a checkpoint: step, mean loss, worst loss and accuracy on the training images,
    accuracy on the test images, or on the first ``recipe.measured`` of each.
    """

    folder: Path
    recipe: Recipe
    seed: int
    checkpoints: tuple[TrainedCheckpoint, ...]
    history: tuple[dict[str, float], ...]

    def __repr__(self) -> str:
        said = "; ".join(f"{name} {value:.4g}" for name, value in self.history[-1].items())
        return f"<TrainingRun {self.recipe.name}: {len(self.checkpoints):,} checkpoints; last: {said}>"

    @property
    def last(self) -> Path:
        """The checkpoint at the end of the training."""
        return self.checkpoints[-1].path


def train(
    recipe: str,
    out_dir: str | Path,
    seed: int = 0,
    progress: bool = False,
    full: bool = False,
    device: str = "cpu",
    **overrides: Any,
) -> TrainingRun:
    """Train the network of a recipe and write its checkpoints, `step-N.safetensors`, into ``out_dir``.

    Stopped at any moment and called again, it goes on and ends with the same bytes as if undisturbed; the
    same call gives the same bytes on the same machine. ``full`` trains at the first paper's size, which can
    take days without a GPU; ``overrides`` replace fields of the recipe: with ``head_of``, a checkpoint of the
    same network, only the last layer is trained, from fresh weights.

    Raises BadArgument for an unknown recipe, field or device, and where ``out_dir`` holds another training.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train("digits", folder, steps=20, per_decade=1)
    ...     [checkpoint.step for checkpoint in run.checkpoints]
    [0, 1, 10, 20]
    """
    plan = find_recipe(recipe, full, **overrides)
    checked_seed(seed)
    find_architecture(plan.arch)
    folder = Path(out_dir).expanduser()
    marks = log_spaced(plan.steps, plan.per_decade)
    with claimed_folder(folder, TRAINING, "training"), _fixed_arithmetic(plan.threads, seed):
        session = Session(folder, plan, seed, training_images(plan), device)
        with owned(folder):
            _compare(
                folder / TRAINING,
                {
                    "recipe": plan.to_json(),
                    "seed": seed,
                    "images": session.images.train.hash,
                    "device": device,
                },
            )
            session.resume()
            session.run(marks, progress)
    return TrainingRun(
        folder,
        plan,
        seed,
        tuple(
            TrainedCheckpoint(int(r["step"]), checkpoint_path(folder, int(r["step"])))
            for r in session.history
        ),
        tuple(session.history),
    )


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` steps is.

    >>> checkpoint_path(Path("run"), 20).name
    'step-00000020.safetensors'
    """
    return folder / f"step-{step:08d}.safetensors"


@dataclass
class Session:
    """A training in progress: the network, its optimiser, the steps done and what was measured.

    ``trained`` is the network, or its last layer where only that is trained; ``data`` is what it takes;
    ``hard`` are the samples of which half of each batch is made, none before they are sifted.
    """

    folder: Path
    recipe: Recipe
    seed: int
    images: TrainingImages
    device: str = "cpu"
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    hard: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))

    def __post_init__(self) -> None:
        architecture = find_architecture(self.recipe.arch)
        known = {"classes": len(self.images.train.classes), "channels": self.images.train.shape[0]}
        taken = inspect.signature(architecture.factory).parameters
        self.options = {k: v for k, v in known.items() if k in taken} | self.recipe.options
        self.network = architecture.build(**self.options)
        self.trained: nn.Module = self.network
        if self.recipe.head_of:
            self.trained, data, test_data = restart_head(self.network, self.recipe.head_of, self.images)
        else:
            data, test_data = (self.images.tensors(part) for part in (self.images.train, self.images.test))
        try:
            self.network.to(self.device)
            self.data, self.test_data = ((x.to(self.device), y.to(self.device)) for x, y in (data, test_data))
        except (RuntimeError, AssertionError) as error:
            raise BadArgument(f"device '{self.device}': {str(error).splitlines()[0]}") from None
        self.optimiser = make_optimiser(
            self.recipe.optimiser, self.trained.parameters(), self.recipe.rate, self.recipe.weight_decay
        )
        self.loss = find_loss(self.recipe.loss)

    def run(self, marks: tuple[int, ...], progress: bool) -> None:
        """Train up to the last mark, with a checkpoint and a record at each."""
        from featgeom.progress import bar as shown_bar

        saved = time.monotonic()
        with shown_bar(
            total=marks[-1], initial=self.step, desc=self.recipe.name, disable=not progress
        ) as bar:
            for mark in marks:
                if mark < self.step or (self.history and self.history[-1]["step"] >= mark):
                    continue
                if self.finished:
                    break
                there = False
                while self.step < mark and not there:
                    self.advance()
                    bar.update()
                    there = self.sift()
                    if not there and time.monotonic() - saved > SAVE_SECONDS:
                        self.save()
                        saved = time.monotonic()
                self.record()

    def advance(self) -> None:
        """One step of the optimiser."""
        rows, plan = self.batch_rows(), self.recipe
        learning = self.step < plan.cycle
        self.trained.train(learning or plan.cycle == 0)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, plan.rate, plan.cycle, plan.settled)
        x = self.data[0][rows]
        if learning and (plan.shift or plan.flip):
            x = shift_and_flip(x, plan.shift, plan.flip, np.random.default_rng((self.seed, 0, self.step)))
        self.optimiser.zero_grad()
        self.objective(self.trained(x), self.data[1][rows]).backward()
        self.optimiser.step()
        self.step += 1

    def objective(self, logits: Tensor, labels: Tensor) -> Tensor:
        """What a step descends: the mean loss, of which only the direction matters to a normalised step."""
        if (self.recipe.optimiser, self.recipe.loss) == ("normalised_gd", "cross_entropy"):
            return log_of_mean_cross_entropy(logits, labels)
        return self.loss(logits, labels).mean()

    def sift(self) -> bool:
        """Find the hard samples anew where the recipe says so; whether none is left above ``until``."""
        plan = self.recipe
        if not plan.sift or self.step < plan.cycle or (self.step - plan.cycle) % plan.sift:
            return False
        losses = losses_of(self.trained, self.loss, *self.data)[0]
        self.hard = torch.nonzero(losses > losses.mean())[:, 0]
        return bool(losses.max() <= plan.until)

    @property
    def finished(self) -> bool:
        """Whether no training sample's loss exceeded what the recipe asks for at the last checkpoint."""
        until = self.recipe.until
        return until > 0 and bool(self.history) and self.history[-1]["worst"] <= until

    def batch_rows(self) -> Tensor | slice:
        """The samples of the next step: a function of seed, step and hard samples alone."""
        n, size = len(self.data[1]), self.recipe.batch
        if size == 0 or size >= n:
            return slice(None)
        epoch, place = divmod(self.step, -(-n // size))
        order = np.random.default_rng((self.seed, epoch)).permutation(n)
        rows = torch.from_numpy(order[place * size : (place + 1) * size]).to(self.device)
        if not len(self.hard):
            return rows
        drawn = np.random.default_rng((self.seed, 1, self.step)).integers(len(self.hard), size=size // 2)
        return torch.cat([rows[: size - size // 2], self.hard[torch.from_numpy(drawn).to(self.device)]])

    def record(self) -> None:
        """Write the checkpoint of this step, then what was measured, then the state to go on from."""
        some = slice(self.recipe.measured or None)
        found, test = (
            evaluate(self.trained, self.loss, x[some], y[some]) for x, y in (self.data, self.test_data)
        )
        if not np.isfinite(found.loss):
            raise BadArgument(
                f"recipe {self.recipe.name}: the loss is {found.loss} after {self.step} steps; lower the rate"
            )
        self.history.append(
            {
                "step": self.step,
                "loss": found.loss,
                "worst": found.worst,
                "train_accuracy": found.accuracy,
                "test_accuracy": test.accuracy,
            }
        )
        save_checkpoint(
            checkpoint_path(self.folder, self.step),
            self.network,
            self.recipe.arch,
            self.options,
            self.images.pixels,
            self.images.train.classes,
        )
        write_json(self.folder / "history.json", self.history)
        self.save()

    def save(self) -> None:
        """Write all that is needed to go on from here."""
        state = {
            "step": self.step,
            "history": self.history,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **({"hard": self.hard} if self.recipe.sift else {}),
        }
        content = io.BytesIO()
        torch.save(_canonical(state), content)
        write_whole(self.folder / "state.pt", content.getvalue())

    def resume(self) -> None:
        """Go on from the state that an earlier call left, if there is one."""
        path = self.folder / "state.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
        except Exception as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BadCheckpoint(f"{path}: cannot be resumed from ({words})") from error
        self.step, self.history = state["step"], state["history"]
        self.hard = state.get("hard", self.hard).to(self.device)


class Evaluation(NamedTuple):
    """The mean loss, the largest loss of a sample, and the share of samples that are predicted correctly."""

    loss: float
    worst: float
    accuracy: float


def evaluate(network: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> Evaluation:
    """Losses and accuracy over all samples, in eval mode.

    >>> from featgeom.training.losses import cross_entropy
    >>> x, y = torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1])
    >>> found = evaluate(nn.Identity(), cross_entropy, x, y)
    >>> found.accuracy, round(found.worst, 3)
    (0.5, 9.0)
    """
    losses, right = losses_of(network, loss, x, y)
    return Evaluation(float(losses.mean()), float(losses.max()), int(right.sum()) / len(y))


def losses_of(network: nn.Module, loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of every sample, (n,) in float64, and whether it is predicted correctly, in eval mode."""
    network.eval()
    losses, right = [], []
    with torch.no_grad():
        for rows in torch.arange(len(y), device=y.device).split(EVALUATION_BATCH):
            logits = network(x[rows])
            losses.append(loss(logits.double(), y[rows]))
            right.append(logits.argmax(dim=1) == y[rows])
    return torch.cat(losses), torch.cat(right)


def _canonical(value: Any) -> Any:
    """Equal values as objects that have equal bytes: a pickle tells shared objects from equal ones."""
    if isinstance(value, dict):
        return {_canonical(key): _canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    if isinstance(value, Tensor):
        return value.detach().clone()
    return sys.intern(value) if isinstance(value, str) else value


def _compare(path: Path, record: dict[str, Any]) -> None:
    """Say what is trained; refuse a folder in which another training was begun."""
    if path.exists():
        if read_json(path) != json.loads(json.dumps(record)):
            raise BadArgument(
                f"{path.parent} holds another training (see {path.name}); choose another folder"
            )
        return
    write_json(path, record)


@contextmanager
def _fixed_arithmetic(threads: int, seed: int) -> Iterator[None]:
    """Seeded weights and one order of summation, leaving the caller's torch as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
