"""The guard of a run: fitted to its training part, calibrated with images kept aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom._version import __version__
from featgeom.answers.guard import Guard
from featgeom.answers.makers import rows_aside
from featgeom.errors import BadArgument, BadData
from featgeom.remarks import caution, remark
from featgeom.runs.commit import commit
from featgeom.runs.index import damages, read_index, remedy

if TYPE_CHECKING:
    from featgeom.runs.run import Run

FILE = "guard.npz"
SHARE_OF_TEST, SHARE_OF_TRAIN = 0.5, 0.1


def fit_guard(
    run: Run, false_alarm: float = 0.05, score: str = "hull", share: float | None = None, device: str = "cpu"
) -> Guard:
    """A guard fitted to the training part of a run and calibrated with a share of its test part.

    The features kept aside are a ``share`` (0.5 unless given) of the test part, drawn with the run's seed, so
    that the order of the images (often that of their classes) does not matter; the rest of the part counts
    the alarms, as what is promised holds on average over such draws. A run of one part keeps a tenth of that
    aside, which the hulls then do without; where the network was trained on it, new images raise more alarms
    than asked for, which is said. All of this stands in ``said_`` of the guard.

    Raises BadArgument where the share leaves too few features for ``false_alarm``.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = make_run(f"{folder}/run", "digits", "digits")
    ...     print(described(fit_guard(run, 0.1)).splitlines()[1])  # doctest: +ELLIPSIS
    Calibrated with 250 of the 500 images of test, drawn with seed 0: alarm beyond ...
    """
    train, test = (run.features(split) for split in (run.reference_split, run.question_split))
    single = run.reference_split == run.question_split
    share = (SHARE_OF_TRAIN if single else SHARE_OF_TEST) if share is None else share
    if not 0 < share <= 1:
        raise BadArgument(f"share: expected a number between 0 and 1, got {share!r}")
    aside = rows_aside(len(test), share, run.seed)
    count, rest = len(aside), np.setdiff1d(np.arange(len(test)), aside)
    fitted = train.take(rest) if single else train
    if single:
        caution(
            f"{run.folder} has one part, so {count:,} of its images are kept aside to calibrate; if the "
            "network was trained on them, new images raise more alarms than asked for"
        )
        rest = rest[:0]
    guard = Guard(run.features(run.splits[0]).head, false_alarm, device, score)
    guard.fit(fitted.features, fitted.labels if fitted.labelled else None, test.features[aside])
    guard.said_ = {
        "featgeom": __version__,
        "run": run.base,
        "network": run.asked["model"].get("weights_sha256"),
        "score": score,
        "false_alarm": false_alarm,
        "threshold": guard.threshold_,
        "training": len(guard.points_),
        "hulls": len(guard.hulls_),
        "calibration": {
            "part": run.question_split, "samples": count, "of": len(test), "share": share, "seed": run.seed,
        },
        "left": _left(guard, test.features[rest]) if len(rest) else None,
    }  # fmt: skip
    return guard


def described(guard: Guard) -> str:
    """What a guard of a run was made of, and what the images left over say of the alarms promised."""
    said = guard.said_
    kept, left = said["calibration"], said["left"]
    alarm = (
        guard.why_silent()
        if guard.silent
        else f"alarm beyond {said['threshold']:.4g}, which an ordinary image raises with "
        f"probability {said['false_alarm']:.3g} at most, on average over such draws"
    )
    lines = [
        f"Guard: {said['training']:,} training features of {said['hulls']} classes, score {said['score']}",
        f"Calibrated with {kept['samples']:,} of the {kept['of']:,} images of {kept['part']}, drawn with "
        f"seed {kept['seed']}: {alarm}",
    ]
    if left:
        low, high = left["expected"]
        lines.append(
            f"Of the other {left['samples']:,} images of {kept['part']} {left['alarms']:,} raise an alarm "
            f"({left['rate']:.3f}); {low:,} to {high:,} were to be expected, with so many images"
        )
    return "\n".join(lines)


def _left(guard: Guard, features: Any) -> dict[str, Any]:
    """How many of the n images left over raise an alarm, and how many would, 95 times in 100.

    Of m calibration scores in random order with n others, those others beyond the j-th largest are
    beta-binomial in number.
    """
    from scipy.stats import betabinom

    known, n = guard.calibration_, len(features)
    if guard.silent:
        return {"samples": n, "alarms": 0, "rate": 0.0, "expected": [0, 0]}
    beyond = int((known >= guard.threshold_).sum())
    low, high = betabinom(n, beyond, len(known) + 1 - beyond).interval(0.95)
    alarms = int(guard.judge(features).alarm.sum())
    return {"samples": n, "alarms": alarms, "rate": alarms / n, "expected": [int(low), int(high)]}


def store_guard(run: Run, guard: Guard) -> None:
    """Write RUN/guard.npz, as a part of the run that `featgeom verify` finds damage of."""
    commit(run.folder, "guard", {FILE: guard.to_bytes()}, run.base)


def stored_guard(run: Run, device: str = "cpu") -> Guard | None:
    """The guard that the run holds, if it was made of the features that are there now.

    Raises BadData for one that is damaged.
    """
    index = read_index(run.folder)
    if "guard" not in index.parts:
        return None
    if index.parts["guard"].of != run.base:
        remark(f"{run.folder / FILE}: was made of other features; made again")
        return None
    for line in damages(run.folder, index, "guard"):
        raise BadData(line)
    guard = Guard.load(run.folder / FILE, device)
    if missing := {"false_alarm", "score", "calibration", "left"} - set(guard.said_):
        raise BadData(
            f"{run.folder / FILE}: does not say its {', '.join(sorted(missing))}; {remedy('guard')}"
        )
    return guard


def guard_of(
    run: Run,
    false_alarm: float | None = None,
    score: str | None = None,
    share: float | None = None,
    device: str = "cpu",
) -> Guard:
    """The stored guard if it is what is asked for (None asks for nothing); else one made and stored now.

    One that cannot be read is made again, which is said: what it had been asked for is then not known.
    """
    try:
        kept = stored_guard(run, device)
    except BadData as error:
        caution(f"{error}; it is made again, by the defaults in all that is not asked for now")
        kept = None
    asked = {"false_alarm": false_alarm, "score": score, "share": share}
    if kept is not None:
        known = kept.said_ | {"share": kept.said_["calibration"]["share"]}
        if all(value in (None, known[name]) for name, value in asked.items()):
            return kept
        taken = {name: known[name] for name, value in asked.items() if value is None}
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in taken.items())
        remark(f"{run.folder / FILE}: made again with its own {said}")
        asked |= taken
    guard = fit_guard(run, **{k: v for k, v in asked.items() if v is not None}, device=device)  # type: ignore[arg-type]
    store_guard(run, guard)
    return guard
