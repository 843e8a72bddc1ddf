"""The first paper, row by row: what it says, what its artefacts give when measured, ours before and now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from featgeom.papers.earlier import first_paper
from featgeom.runs.record import Column, Record, Table, shown

Records = Mapping[str, Record]


@dataclass(frozen=True)
class Row:
    """One quantity: what the paper says, what its artefacts give when measured, and how ours is found."""

    experiment: str
    quantity: str
    says: str
    measured: str
    find: Callable[[Records], float]
    form: str = "{:.2f}°"

    def ours(self, records: Records) -> str:
        """Our figure as it is written; a dash where a network leaves it undefined."""
        try:
            return self.form.format(float(self.find(records))).replace("-", "−")
        except (KeyError, IndexError, StopIteration):
            return "–"


NO_ANGLE = "the boundaries coincide (pictures; no angle)"


def _pair(i: int, key: str, place: int = 0) -> Callable[[Records], float]:
    """A figure of the pair number ``i`` in the study of machines, of a line its direction or offset."""

    def find(records: Records) -> float:
        value: Any = records["svm"].values["pairs"][i]["standard"][key]
        while isinstance(value, (list, tuple)):
            value = value[place if len(value) > 1 else 0]
        return float(value)

    return find


def _hulls_apart(i: int) -> Callable[[Records], float]:
    return lambda records: 2 * _pair(i, "margin")(records)


def _maps(i: int) -> Callable[[Records], float]:
    return lambda records: records["maps"].values["pair_angles"][i]


def _head(name: str, key: str, i: int | None = None) -> Callable[[Records], float]:
    """A figure of a last layer in the study that trains it anew."""

    def find(records: Records) -> float:
        heads = records["retrain"].values["heads"]
        value = heads[next(full for full in heads if name in full)][key]
        return float(value if i is None else value[i])

    return find


def _accuracy(split: str) -> Callable[[Records], float]:
    return lambda records: records["svm"].values["accuracy"][split]


def _svm(key: str) -> Callable[[Records], float]:
    return lambda records: records["svm"].values[key]


def _machine(key: str, i: int | None = None) -> Callable[[Records], float]:
    """A figure of the whole head beside the augmented machine of all classes."""

    def find(records: Records) -> float:
        value: Any = records["svm"].values["machines"]["augmented"][key]
        return float(value if i is None else value[i])

    return find


def _rows() -> Iterator[Row]:
    two = "mnist_two"
    yield Row(two, "angle to the SVM, whole network", NO_ANGLE, "1.7°", _head("whole", "pair_angles", 0))
    yield Row(
        two, "angle to the SVM, last layer trained anew", NO_ANGLE, "4.9°",
        _head("new, gradient", "pair_angles", 0),
    )  # fmt: skip
    better = "the whole network may have the better bias"
    yield Row(
        two, "place of the boundary, whole network", better, "0.32", _head("whole", "positions", 0), "{:.2f}"
    )
    yield Row(
        two, "place of the boundary, last layer trained anew", better, "0.10",
        _head("new, gradient", "positions", 0), "{:.2f}",
    )  # fmt: skip
    yield Row("cifar10_two", "test accuracy", "0.9255", "–", _accuracy("test"), "{:.4f}")
    yield Row("cifar10_two", "angle to the SVM", NO_ANGLE, "3.2°", _maps(0))
    yield Row(
        "mnist_three", "test accuracy", "0.9955", "0.9952 (published network)", _accuracy("test"), "{:.4f}"
    )
    for i, (pair, angle) in enumerate(zip(("0|1", "0|2", "1|2"), ("6.4°", "0.1°", "2.7°"))):
        yield Row("mnist_three", f"angle to the SVM, {pair}", NO_ANGLE, f"{angle} (their figure)", _maps(i))
    published = "published_mnist3"
    yield Row(published, "test accuracy", "–", "0.9952", _accuracy("test"), "{:.4f}")
    yield Row(published, "train accuracy", "–", "0.9997", _accuracy("train"), "{:.4f}")
    yield Row(
        published, "loss of its last layer", "driven towards 0", "–",
        lambda records: records["maps"].values["loss"], "{:.4f}",
    )  # fmt: skip
    figures = (
        ("0|1", "20.08°", "6.40°", "3.45", "3.60", "13.68°"),
        ("0|2", "−38.08°", "−20.91°", "0.009", "1.25", "17.17°"),
        ("1|2", "−88.24°", "−90.00°", "−3.11", "2.84", "1.76°"),
    )
    for i, (pair, head, machine, offset, distance, angle) in enumerate(figures):
        yield Row(published, f"head's normal, {pair}", "–", head, _pair(i, "line"))
        yield Row(published, f"SVM's normal, {pair}", "–", machine, _pair(i, "machine_line"))
        yield Row(published, f"head's offset, {pair}", "–", offset, _pair(i, "line", 1), "{:.3f}")
        yield Row(
            published, f"hulls apart, {pair}", "–", distance,
            _hulls_apart(i), "{:.2f}",
        )  # fmt: skip
        yield Row(published, f"head to SVM, {pair}", NO_ANGLE, angle, _pair(i, "pair_angle"))
    yield from _limits()
    converges = "the last layer converges to the SVM"
    for quantity, measured, which in (
        ("standard machine", "7.29° (other points: 15.18° − 7.89°)", "angle_standard"),
        ("augmented machine", "0.10° (other points: 7.89° − 7.79°)", "angle_augmented"),
    ):
        for name, words in (("new, gradient", "descent"), ("new, accelerated", "accelerated descent")):
            yield Row(
                "trap", f"{words} to the {quantity}", converges,
                measured if name == "new, gradient" else "–", _head(name, which),
            )  # fmt: skip
    yield Row(
        "optimiser_gd", "sum of the head's rows moved, of the head's move", "–", "0 (derived)",
        lambda records: records["trajectory"].values["rows' sum moved"][-1], "{:.0e}",
    )  # fmt: skip


def _limits() -> Iterator[Row]:
    """The networks that are trained until the loss of every training sample is small."""
    for name, pairs, accuracy in (
        ("mnist_two_limit", ("0|1",), "0.999"),
        ("mnist_three_limit", ("0|1", "0|2", "1|2"), "0.9955"),
        ("cifar10_two_limit", ("airplane|bird",), "0.9255"),
    ):
        yield Row(name, "test accuracy", accuracy, "–", _accuracy("test"), "{:.4f}")
        yield Row(
            name,
            "greatest loss of a training sample",
            "driven towards 0",
            "–",
            _svm("largest_loss"),
            "{:.1e}",
        )
        yield Row(name, "training samples with all features 0", "–", "–", _svm("at_origin"), "{:.0f}")
        yield Row(name, "angle to the augmented machine", NO_ANGLE, "–", _machine("angle"))
        yield Row(
            name,
            "new last layer's angle to it",
            NO_ANGLE,
            "–",
            _head("new, accelerated", "angle_augmented"),
            "{:.1g}°",
        )
        yield Row(name, "margin, of the augmented machine's", "–", "–", _machine("margin_ratio"), "{:.4f}")
        for i, pair in enumerate(pairs):
            yield Row(name, f"head's offset, {pair}", "–", "–", _machine("offset", i), "{:.3f}")
            yield Row(
                name, f"augmented machine's offset, {pair}", "–", "–", _machine("machine_offset", i), "{:.3f}"
            )


ROWS = tuple(_rows())


def compared(runs: Mapping[str, Records]) -> Table:
    """What the paper says, what its artefacts give, ours before and now: a row for each quantity of these."""
    earlier = first_paper()
    rows = tuple(
        (
            row.experiment,
            row.quantity,
            row.says,
            row.measured,
            earlier.figure(row.experiment, row.quantity),
            row.ours(runs[row.experiment]),
        )
        for row in ROWS
        if row.experiment in runs
    )
    return Table(
        "compared",
        "The first paper, row by row",
        (
            Column("experiment"),
            Column("quantity"),
            Column("paper says"),
            Column("paper's artefact, measured"),
            Column("before"),
            Column("now"),
        ),
        rows,
        f"Before: what these experiments gave on {earlier.date}, with networks and last "
        "layers trained as they were then.",
    )


def summary(runs: Mapping[str, Records], spent: Mapping[str, float]) -> Table:
    """Every experiment: how well it is trained, how near its last layer is to the machines, and what it took.

    ``spent`` is the processor time of each, in seconds, where it is known.
    """
    rows = []
    for name, records in runs.items():
        values = {study: record.values for study, record in records.items()}
        accuracy, maps = values["svm"]["accuracy"], values.get("maps", {})
        planes = maps.get("planes", {})
        heads = values["retrain"].get("heads", {})
        anew: dict[str, Any] = next((head for words, head in heads.items() if "accelerated" in words), {})
        rows.append(
            (
                name,
                next(iter(accuracy.values())),
                accuracy.get("test"),
                values["svm"]["loss"],
                planes.get("feature", {}).get("share"),
                planes.get("pixel", {}).get("share"),
                maps.get("angle"),
                anew.get("angle_augmented"),
                maps.get("support_overlap"),
                maps.get("support_chance"),
                round(spent[name]) if name in spent else None,
            )
        )
    return Table(
        "experiments",
        "All experiments",
        (
            Column("experiment"),
            Column("train accuracy"),
            Column("test accuracy"),
            Column("loss"),
            Column("agreement, features"),
            Column("agreement, pixels"),
            Column("head to SVM", "degrees"),
            Column("new layer to augmented", "degrees"),
            Column("support vectors of highest loss"),
            Column("by chance"),
            Column("processor time", "s"),
        ),
        tuple(rows),
        "SVM: C = 1, free bias, all training samples. Agreement: share of uniform points that get one class "
        "from network and SVM. New layer: trained alone by accelerated gradient descent from fresh weights, "
        "against the augmented hard-margin machine. Processor time: of training, features and studies, in "
        "all calls that worked on it.",
    )


def took(questions: Iterable[str], spent: Mapping[str, float]) -> Table:
    """The processor time of each question, in all calls that worked on it."""
    return Table(
        "took",
        "What the questions took",
        (Column("question"), Column("processor time", "s")),
        tuple((name, round(spent[name]) if name in spent else None) for name in questions),
    )


def markdown(table: Table) -> str:
    """A table for a page of documentation.

    >>> print(markdown(Table("t", "T", (Column("who"), Column("speed", "m/s")), (("A", 1.5),))))
    | who | speed [m/s] |
    |---|---|
    | A | 1.5 |
    """
    heads = [c.heading for c in table.columns]
    lines = [heads, *([shown(value) for value in row] for row in table.rows)]
    text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines]
    return "\n".join([text[0], "|" + "---|" * len(heads), *text[1:]])
