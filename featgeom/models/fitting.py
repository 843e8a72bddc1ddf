"""Which tensors of a file are a network's weights: those whose names fit, wherever they lie in it.

Nests ("state_dict", "model", "ema") and prefixes ("module.", "backbone.") are one thing here: the beginning
of a dotted name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from featgeom.errors import BadCheckpoint, nearest_name
from featgeom.reading.names import Named
from featgeom.remarks import remark

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape | None]  # None: a lazy parameter takes any
WRAPPERS = frozenset(
    (
        "module",
        "_orig_mod",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
        "_fpw_module",
        "_forward_module",
    )
)
COUNTERS = frozenset(("num_batches_tracked", "n_averaged", "total_ops", "total_params", "_extra_state"))
COMPANIONS = frozenset(
    ("criterion", "loss", "loss_fn", "loss_func", "loss_function", "lossfn", "metric", "metrics", "accuracy",
     "acc", "train_acc", "val_acc", "test_acc", "valid_acc", "train_accuracy", "val_accuracy",
     "test_accuracy", "train_metrics", "val_metrics", "test_metrics", "normalize", "normalizer",
     "normalise", "optimizer")
)  # fmt: skip
BRANCHES = ("aux1.", "aux2.", "AuxLogits.")  # of googlenet and inception; training alone uses them
AVERAGED = (
    "ema",
    "swa",
    "averag",
    "shadow",
    "teacher",
    "momentum",
    "target",
    "key_encoder",
    "polyak",
    "mean",
)
MEANS = ("mean", "new_mean", "image_mean", "pixel_mean", "_mean", "mu")
OUTERMOST = "(the outermost)"
STDS = ("std", "new_std", "image_std", "pixel_std", "_std", "sigma")


@dataclass(frozen=True)
class Fit:
    """Where in a file a network's weights lie, name by name, and what does not go together.

    ``names`` gives for a name of the network that of the file. ``missing`` are names of the network,
    ``unexpected`` and ``beside`` names of the file: of the first kind, what the network would need a place
    for; of the second, what lies there without being of it.
    """

    prefix: str
    names: dict[str, str]
    shapes: dict[str, tuple[Shape, Shape]]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    beside: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Whether every name has its tensor, of the right shape, and none is left over."""
        return not (self.missing or self.unexpected or self.shapes)

    @property
    def matched(self) -> int:
        """How many tensors fit by name and shape."""
        return len(self.names) - len(self.shapes)


def unwrapped(name: str) -> str:
    """A name without the parts that wrappers put in.

    >>> unwrapped("module.layer2._orig_mod.0.weight")
    'layer2.0.weight'
    """
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def find_fits(wanted: Shapes, named: Named) -> list[Fit]:
    """The places in a file where the names of a network are found, the best first.

    Complete fits come before others; among them plain weights before averaged copies (EMA, teacher), then
    those that come first in the file.

    >>> from featgeom.reading.stored import Stored
    >>> import torch
    >>> one = Stored(torch.float32, (2,), lambda: torch.ones(2))
    >>> names = {"ema.fc.bias": one, "model.module.fc.bias": one}
    >>> fits = find_fits({"fc.bias": (2,)}, Named(names, dict.fromkeys(names, "")))
    >>> [fit.prefix for fit in fits]
    ['model', 'ema']
    """
    found: dict[str, Fit] = {}
    for own in _variants(wanted):
        places = _places(own, named)
        for prefix, names in places.items():
            fit = _judge(prefix, names, wanted, own, named, places)
            known = found.get(prefix)
            if known is None or (fit.complete, fit.matched) > (known.complete, known.matched):
                found[prefix] = fit
        if any(fit.complete for fit in found.values()):
            break
    return sorted(found.values(), key=_rank)


def _rank(fit: Fit) -> tuple[bool, int, bool, int, int]:
    words = fit.prefix.lower()
    averaged = any(word in words for word in AVERAGED)
    return not fit.complete, 0 if fit.complete else -fit.matched, averaged, "best" in words, words.count(".")


def _variants(wanted: Shapes) -> Iterator[dict[str, str]]:
    """The network's own names without wrappers, and without what they all begin with: {short name: name}."""
    short = {unwrapped(name): name for name in wanted}
    own = short if len(short) == len(wanted) else {name: name for name in wanted}
    while own:
        yield own
        firsts = {name.partition(".")[0] for name in own}
        if len(firsts) > 1 or not all("." in name for name in own):
            return
        own = {short.partition(".")[2]: name for short, name in own.items()}


def _places(own: Mapping[str, str], named: Named) -> dict[str, dict[str, str]]:
    """By the beginning of the file's names, {the network's name: the file's}, where that is worth a look."""
    found: dict[str, dict[str, str]] = {}
    for name in named.tensors:
        parts = unwrapped(name).split(".")
        for place in range(len(parts)):
            end = ".".join(parts[place:])
            if end in own:
                names = found.setdefault(".".join(parts[:place]), {})
                if own[end] not in names or name == own[end]:
                    names[own[end]] = name
    most = max(map(len, found.values()), default=0)
    return {prefix: names for prefix, names in found.items() if 2 * len(names) >= most}


def _judge(
    prefix: str,
    names: dict[str, str],
    wanted: Shapes,
    own: Mapping[str, str],
    named: Named,
    places: Mapping[str, Mapping[str, str]],
) -> Fit:
    shapes: dict[str, tuple[Shape, Shape]] = {}
    for name, stored in names.items():
        shape, there = wanted[name], named.tensors[stored].shape
        unusable = named.tensors[stored].problem is not None  # which is said when it is read
        if shape is not None and shape != there and not unusable:
            shapes[name] = shape, there
    absent = [name for name in wanted if name not in names]
    missing = tuple(n for n in absent if n.rpartition(".")[2] not in COUNTERS and not _is_branch(n))
    strangers = list(_strangers(prefix, names, named))
    others = [other for other in places if other != prefix and len(places[other]) >= len(names)]
    firsts = {name.partition(".")[0] for name in own}
    normaliser = {name for pair in find_normalisers(strangers) for name in pair}
    unexpected = tuple(
        name
        for name in strangers
        if name not in normaliser
        and not _is_harmless(_below(prefix, name), firsts, prefix, others)
        and not (named.tensors[name].shape == () and "." not in (_below(prefix, name) or ""))  # a count
    )
    return Fit(prefix, names, shapes, missing, unexpected, tuple(n for n in strangers if n not in unexpected))


def _strangers(prefix: str, names: Mapping[str, str], named: Named) -> Iterator[str]:
    """Names of the file that lie among the network's and are not of them."""
    taken = set(names.values())
    homes = {named.containers.get(name, "") for name in taken}
    spread = len(homes) > 1
    for name in named.tensors:
        inside = not prefix or unwrapped(name).startswith(prefix + ".")
        near = named.containers.get(name, "") in homes or (spread and inside and bool(prefix))
        if near and name not in taken:
            yield name


def _below(prefix: str, name: str) -> str | None:
    """What follows the prefix; None for a name that does not begin with it."""
    short = unwrapped(name)
    if not prefix:
        return short
    return short[len(prefix) + 1 :] if short.startswith(prefix + ".") else None


def _is_harmless(below: str | None, firsts: Iterable[str], prefix: str, others: Iterable[str]) -> bool:
    """Whether a name beside the network's is known to be no part of it."""
    if below is None:  # beside the network, not in it
        return True
    first, last = below.partition(".")[0], below.rpartition(".")[2]
    if last in COUNTERS or (first in COMPANIONS and first not in firsts) or _is_branch(below):
        return True
    inner = [other[len(prefix) + 1 :] if prefix else other for other in others if other.startswith(prefix)]
    return any(other and below.startswith(other + ".") for other in inner)


def _is_branch(name: str) -> bool:
    return name.startswith(BRANCHES)


def find_normalisers(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names of a mean and a standard deviation that stand side by side.

    >>> list(find_normalisers(["fc.bias", "0.mean", "0.std"]))
    [('0.mean', '0.std')]
    """
    known = set(names)
    for name in names:
        home, dot, last = name.rpartition(".")
        if last in MEANS:
            partner = home + dot + STDS[MEANS.index(last)]
            if partner in known:
                yield name, partner


def choose_fit(wanted: Shapes, named: Named, network: str, key: str | None = None) -> Fit:
    """The place to take a network's weights from; where several would do, the choice is said.

    With ``key``, the place whose name begins so. Raises BadCheckpoint where nothing fits at all.
    """
    best, *others = likely_fits(wanted, named, network, key)
    if best.complete:
        _say_choice(best, [f for f in others if f.complete and not _same_tensors(best, f, named)])
    return best


def likely_fits(wanted: Shapes, named: Named, network: str, key: str | None = None) -> list[Fit]:
    """What `fits_below` finds. Raises BadCheckpoint where that is nothing."""
    if fits := fits_below(wanted, named, key):
        return fits
    if key is not None:
        known = sorted({fit.prefix or OUTERMOST for fit in find_fits(wanted, named)}) or _outermost(named)
        raise BadCheckpoint(f"--key {key}: no weights of {network} there{nearest_name(key, known)}")
    some = ", ".join(repr(name) for name in list(named.tensors)[:3])
    raise BadCheckpoint(
        f"the weights do not fit {network}: none of its {len(wanted)} names is there "
        f"(wanted '{next(iter(wanted), '')}', found {some})"
    )


def fits_below(wanted: Shapes, named: Named, key: str | None) -> list[Fit]:
    """What `find_fits` finds, with ``key`` only where that begins a place."""
    fits = find_fits(wanted, named)
    if key is None:
        return fits
    short = unwrapped(key.strip("."))
    return [fit for fit in fits if _starts_with(fit, short)]


def _say_choice(best: Fit, others: list[Fit]) -> None:
    if not others:
        return
    places = ", ".join(f"'{fit.prefix or OUTERMOST}'" for fit in others[:4])
    keys = " or ".join(f"--key {fit.prefix}" for fit in others[:4] if fit.prefix)
    remark(
        f"weights are taken from '{best.prefix or OUTERMOST}'; {places} would fit as well"
        + (f" ({keys})" if keys else "")
    )


def _starts_with(fit: Fit, key: str) -> bool:
    whole = {unwrapped(name) for name in fit.names.values()}
    return fit.prefix == key or fit.prefix.startswith(key + ".") or (bool(whole) and all(
        name.startswith(key + ".") for name in whole
    ))  # fmt: skip


def _outermost(named: Named) -> list[str]:
    return [name for name, _ in Counter(name.partition(".")[0] for name in named.tensors).most_common(12)]


def _same_tensors(one: Fit, other: Fit, named: Named) -> bool:
    """Whether two places hold the same numbers."""
    import torch

    pairs = [
        (named.tensors[one.names[n]], named.tensors[other.names[n]]) for n in one.names if n in other.names
    ]
    try:
        return all(a is b or torch.equal(a.tensor(), b.tensor()) for a, b in pairs)
    except (BadCheckpoint, RuntimeError):
        return False
