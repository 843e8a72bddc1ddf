"""python featgeom_check.py RUN [--json]: a second checker of a run's claims, sharing nothing with featgeom.

Written from docs/certificates.md alone, for Python 3.11 and numpy; decides in rationals, where float64 only
says which of many products may be least. *Refuted*: the evidence is not what the page asks for. *Undecided*:
it determines nothing, or its check ends with an error. Exit: 0 all proved, 1 not so, 2 wrong use.
"""

import inspect
import io
import json
import math
import re
import sys
from collections import Counter
from fractions import Fraction
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

R = "a statement needs its own row of this field"
WHOLE = "own breakers rivals pairs ends tied rows rows_a rows_b owner rival_of rival y"
TYPES = {"float32": "b1", "inside": "b1", "freedom": "U.+", "normal": "f[48]|i[124]"}
NAMED = set("weight bias lo hi vertices x y points queries points_a points_b".split())
WORDS = r"\A(\w+)/(\w+)(?: of class(?:es)? ([\d, ]+?))?(?: predicted (\d+|as labelled))?(?: rows ([\d,]+))?\Z"
WORD = ("proved", "refuted", "undecided", "not decided here")

# Rationals are Fractions in arrays of objects. Only comparisons mix them with floats, where Python is exact.
exact = np.frompyfunc(lambda x: x if math.isinf(x) else Fraction(x), 1, 1)
ratio = np.frompyfunc(Fraction, 2, 1)


def whole(x):  # an array of floats, integers or Fractions as integers over one denominator
    pairs = [v.as_integer_ratio() for v in np.asarray(x).ravel().tolist()]
    q = math.lcm(*{b for _, b in pairs})
    return np.array([a * (q // b) for a, b in pairs], object).reshape(np.shape(x)), q


def dot(a, b):  # the product of two arrays, in integers; of one that is `whole` already, too
    (a, p), (b, q) = (x if isinstance(x, tuple) else whole(x) for x in (a, b))
    return ratio(a @ b, p * q)


def far(x, r, squared):  # whether x ≥ r √squared, for r ≥ 0
    return (x >= 0) & (x * x >= r * r * squared)


def near(a, b, upper):  # whether two points are known and within a distance
    known = a is not None and b is not None and upper >= 0
    return upper == np.inf or (known and bool(dot(a - b, a - b) <= upper**2))


def mean(points, weights):  # the mean of points by a row of weights; None where they are none
    columns, values = weights
    total = sum(values)
    return dot(values, points[columns]) / total if np.all(values >= 0) and total > 0 else None


def solve(a, b, unique=True):  # a solution of a x = b, which there is; the only one, if that is asked
    m = whole(np.column_stack([a, b]))[0]
    last, columns = 1, []
    for column in range(m.shape[1] - 1):
        rank = len(columns)
        below = np.flatnonzero(m[rank:, column])
        if len(below):
            m[[rank, rank + below[0]]] = m[[rank + below[0], rank]]
            pivot, others = m[rank, column], np.arange(len(m)) != rank
            m[others] = (m[others] * pivot - m[others, column][:, None] * m[rank]) // last
            last, columns = pivot, [*columns, column]
    if np.any(m[len(columns) :, -1] != 0) or (unique and len(columns) < m.shape[1] - 1):
        raise ArithmeticError("the evidence determines nothing")
    x = np.full(m.shape[1] - 1, Fraction(0))
    x[columns] = ratio(m[: len(columns), -1], last)
    return x


def cancel(vectors):  # whether the one combination of rows, of sum 1, that is zero has no negative weight
    columns = np.column_stack([vectors, np.ones(len(vectors), int)]).T
    return np.all(solve(columns, np.eye(len(columns), dtype=int)[-1]) >= 0)


def lowest(points, normals):  # for each normal, which points may have the least product with it
    # A float64 sum of d products, in any order, is off by γ_d Σ|x_j n_j| + d 2^-1074 or less, half of `slack`
    x, d, size = points.astype(np.float64), points.shape[1], max(1, 2**23 // max(1, len(points)))
    for start in range(0, len(normals), size):
        n = normals[start : start + size].astype(np.float64)
        with np.errstate(all="ignore"):
            top, product = d * np.abs(x).max(initial=0) * np.abs(n).max(axis=1, initial=0), n @ x.T
            slack = np.where(top < 1e300, (d + 2) * 2.0**-51 * top + d * 2.0**-1020, np.inf)
            chosen = ~(product > (product.min(axis=1, initial=np.inf) + slack)[:, None])
        yield from map(np.flatnonzero, chosen)


def outside(points, centre, radius):  # the points that may lie beyond a radius
    with np.errstate(all="ignore"):  # d + 2 roundings
        squared = ((points.astype(np.float64) - centre.astype(np.float64)) ** 2).sum(axis=1)
    sure = len(centre) < 2**20 and 1e-140 < radius < 1e140
    return points[~(squared < float(radius) ** 2 * (1 - 2.0**-30))] if sure else points


class Claim:  # the method of its kind says whether evidence suffices
    def __init__(self, kind, fields):
        self.decide, self.memo = KINDS[kind].__get__(self), None
        parameters = list(inspect.signature(self.decide).parameters.values())[1:]
        self.asks = {one.name: one.default is R for one in parameters}
        self.fields = f = {name: v if isinstance(v, list) else np.asarray(v) for name, v in fields.items()}
        for name, v in f.items():
            is_whole = name in WHOLE.split() or (kind, name) == ("machine", "multipliers")
            allowed = "i[1248]" if is_whole else TYPES.get(name, "f[48]")
            types = {data.dtype.str[1:] for data in ([row[1] for row in v] if isinstance(v, list) else [v])}
            if not all(re.fullmatch(allowed, a) for a in types):
                raise ValueError(f"{name} is of a wrong type")
        counts = {len(f[name]) for name, by_row in self.asks.items() if by_row} or {1}
        rising = [f[name] for name in ("rows", "breakers") if name in f and kind != "hull-diameter"]
        if len(counts) > 1 or any(np.any(np.diff(numbers) <= 0) for numbers in rising):
            raise ValueError("fields of different lengths, or numbers that do not rise")
        self.count = counts.pop()
        if "bias" in f and kind != "machine":
            self.weight, self.bias, self.product = exact(f["weight"]), exact(f["bias"]), whole(f["weight"].T)
        if "lo" in f:
            self.lo, self.hi, self.vertices = exact(f["lo"]), exact(f["hi"]), f["vertices"]
            self.low, self.high = np.isfinite(f["lo"]), np.isfinite(f["hi"])
            if np.any(f["lo"] > f["hi"]) or (len(self.vertices) and not {"pairs", "solved"} & set(f)):
                raise ValueError("its domain is empty, or a hull where it is none")

    def given(self, name, i):  # a field as statement i needs it, its own evidence in Fractions
        value = self.fields[name][i] if self.asks[name] else self.fields[name]
        if isinstance(value, list):
            return [(columns, exact(data)) for columns, data in value]
        if isinstance(value, tuple):
            return value[0], exact(value[1])
        if value.dtype.kind == "i" and name != "normal" and np.any(value < 0):
            raise ValueError(f"{name} is negative")
        own = value.dtype.kind == "f" and (self.asks[name] or not value.ndim) and name not in NAMED
        return exact(value) if own else value

    def verdicts(self):  # what is found of each statement
        for i in range(self.count):
            try:
                yield "proved" if self.decide(i, *(self.given(name, i) for name in self.asks)) else "refuted"
            except Exception as error:  # a value out of range refutes; by any other nothing is proved
                yield (
                    "refuted" if isinstance(error, ValueError | IndexError | OverflowError) else "undecided"
                )

    def lead(self, z, own):  # l_own − l_k for every k, at a point or at each of several
        logits = dot(z, self.product) + self.bias
        return logits[..., [own]] - logits

    @cache  # noqa: B019
    def across(self, own):  # w_own − w_k, b_own − b_k and ‖w_own − w_k‖² for every k
        rows = self.weight[own] - self.weight
        return rows, self.bias[own] - self.bias, (rows * rows).sum(axis=1)

    def others(self, *own):  # which classes are none of these
        return ~np.isin(np.arange(len(self.bias)), own)

    def holds(self, z):  # whether a point is known, and lies in the box
        return z is not None and bool(np.all(z >= self.lo) and np.all(z <= self.hi))

    def base(self, base):  # a base, which in a hull is a row of weights of its vertices
        return mean(self.vertices, base) if len(self.vertices) else exact(base)

    def highest(self, slope, offset):  # the supremum of slope·z + offset over the domain, or infinite
        if len(self.vertices):
            return dot(self.vertices, slope).max() + offset
        side = np.where(slope > 0, self.hi, np.where(slope < 0, self.lo, Fraction(0)))
        return dot(slope, side) + offset if all(map(math.isfinite, side)) else np.inf

    def full(self, row):  # a row of values by class, with its zeros
        found = np.full(len(self.bias), Fraction(0))
        found[row[0]] = row[1]
        return found

    def completed(self, own, multipliers, solved):  # with those marked from equations that determine them
        rows, given, marked = self.across(own)[0], self.full(multipliers), np.flatnonzero(self.full(solved))
        if given[own] != 0 or own in marked or not np.isin(marked, multipliers[0]).all():
            raise ArithmeticError("the own class has a multiplier, or one is marked that is not there")
        if len(marked) and not len(self.vertices):
            zero = np.abs(dot(given, rows)) <= dot(np.abs(given), np.abs(rows)) * Fraction(1, 2**30)
            used = ~(self.low | self.high) | ((self.low != self.high) & zero)
            given[marked] = Fraction(0)
            given[marked] = solve(rows[marked][:, used].T, -dot(given, rows)[used])
        return given

    def excluded(self, own, multipliers, solved, free=(), weak=False):  # whether the own class is nowhere
        given, (rows, bias, _) = self.completed(own, multipliers, solved), self.across(own)
        signed, high = given[self.others(*free)], self.highest(dot(given, rows), dot(given, bias))
        return np.all(signed >= 0) and (high < 0 or (weak and high <= 0 and np.any(signed > 0)))

    def least(self, points, normals, i):  # the points that may be lowest, their products, the normal
        self.memo = self.memo or list(lowest(points, normals))
        n = exact(normals[i])
        return self.memo[i], dot(points[self.memo[i]], n), n

    def beyond(self, least, lower, n):  # whether points are so far along a normal
        return lower == 0 or (lower > 0 and bool(np.any(n != 0) and far(least, lower, dot(n, n))))

    def dual(self, z, own, given, lower):  # whether multipliers keep a tie at a distance, by weak duality
        a = dot(given, self.across(own)[0])
        delta = np.minimum(np.maximum(a, self.lo - z), self.hi - z)
        return bool(dot(delta, delta - 2 * a) - 2 * dot(given, self.lead(z, own)) >= lower**2)

    def reached(self, z, tied, active, fixed, upper):  # whether all is tied and highest within `upper`
        if upper == np.inf:
            return True
        q, (at, signs), free = z.copy(), fixed, ~np.isin(np.arange(len(z)), fixed[0])
        q[at] = np.where(signs > 0, self.hi[at], self.lo[at])
        chosen = np.setdiff1d(np.union1d(active[0], tied), tied[:1])
        rows = self.across(tied[0])[0][chosen] * free
        p = q - dot(solve(dot(rows, rows.T), self.lead(q, tied[0])[chosen], unique=False), rows)
        lead = self.lead(p, tied[0])
        return bool(np.all(lead >= 0) and np.all(lead[tied] == 0)) and self.holds(p) and near(p, z, upper)

    def class_margin(self, _, points=R, own=R, margin=R, float32=R):
        self.memo = self.memo or (whole(np.abs(self.fields["weight"].T)), np.abs(self.weight).sum(axis=1))
        lead, z, rivals, (sizes, sums) = self.lead(points, own), np.abs(points), self.others(own), self.memo
        size, d, u = dot(z, sizes) + np.abs(self.bias), len(z), Fraction(1, 2**24)
        gamma = (d + 4) * u / (1 - (d + 4) * u) * Fraction(1000001, 1000000)
        error = size * gamma + (sums + dot(z, np.ones(d, int)) + 2 * d + 2) * Fraction(1, 2**126)
        small = max(*size, *z, np.abs(self.fields["weight"]).max(initial=0)) <= (2**24 - 1) * 2**102
        safe = not float32 or (small and np.all((lead > error + error[own])[rivals]))
        return safe and np.all(lead[rivals] >= margin)

    def class_ball(self, _, points=R, own=R, radius=R, steps=R):
        lead, gaps, out = self.lead(points, own), self.across(own)[2], self.others(own) & (radius > 0)
        out = out & ~(far(lead, radius, gaps) if radius < np.inf else (gaps == 0) & (lead > 0))
        by = dict(zip(*steps))
        kept = all(self.stepped(exact(points), own, k, radius, by.get(k, 0)) for k in np.flatnonzero(out))
        return kept and radius >= 0 and bool(np.all(lead >= 0))

    def stepped(self, z, own, k, radius, step):  # whether the box keeps a class out of a ball
        v, bias = self.across(own)[0][k], self.across(own)[1][k]
        side = np.where(v > 0, self.lo, np.where(v < 0, self.hi, np.inf))
        gone = np.abs(side) < np.inf
        if step < np.inf:
            gone = gone & np.where(v > 0, z - v * step < side, z - v * step > side).astype(bool)
        side = np.where(gone, side, Fraction(0))
        y = np.where(gone, (z - side) / step if 0 < step < np.inf else Fraction(0), v)
        high = dot(y, z) + bias + dot(v - y, side)
        kept = np.all(y == 0) if radius == np.inf else far(high, radius, dot(y, y))
        return step > 0 and bool(high > 0 and kept)

    def guaranteed_hull(self, _, points, own, margin, centre, inflation):
        a, c, rivals = self.lead(points, own).min(axis=0), self.lead(centre, own), self.others(own)
        grown = a - c if inflation == np.inf else c + inflation * (a - c)
        return margin > 0 and inflation >= 0 and np.all(((a >= margin) & (c >= 0) & (grown >= 0))[rivals])

    def broken_hull(self, _, points, own, breakers=R, rivals=R):
        return bool(rivals != own and self.lead(points[breakers], own)[rivals] <= 0)

    def cells_meet(self, _, bases, pairs=R, ends=R, steps=R):
        (first, second), (a, b) = pairs, (self.base(bases[end]) for end in ends)
        if first == second or not self.holds(a) or not self.holds(b):
            return False
        lead = self.lead(a + steps[:, None] * (b - a), first)
        rest, turned = lead[:, self.others(first, second)], lead[0, second] >= 0 >= lead[1, second]
        above = np.all(rest > 0) and np.all(rest > lead[:, [second]])
        return bool(turned and above and np.all((steps >= 0) & (steps <= 1)))

    def cells_apart(self, _, pairs=R, multipliers=R, solved=R):
        return pairs[0] != pairs[1] and self.excluded(pairs[0], multipliers, solved, pairs[1:], True)

    def empty_cell(self, _, own=R, multipliers=R, solved=R):
        return self.excluded(own, multipliers, solved)

    def empty_tie(self, _, tied=R, multipliers=R, solved=R):
        return len(set(tied)) == len(tied) and self.excluded(tied[0], multipliers, solved, tied)

    def inscribed_ball(self, _, bases=R, own=R, radius=R, upper=R, multipliers=R, solved=R):
        z, (rows, bias, gaps) = self.base(bases), self.across(own)
        inside = z is not None and self.holds(z - radius) and self.holds(z + radius) and radius >= 0
        if not inside or not np.all(far(self.lead(z, own), radius, gaps)):
            return False
        if upper == np.inf or np.any((self.hi - self.lo)[self.low & self.high] <= 2 * upper):
            return True
        given = self.completed(own, multipliers, solved)
        size = 0 if len(self.vertices) else np.abs(dot(given, rows)).sum()
        for k in np.flatnonzero(given):  # a root from below, by less than a part in 2^200
            n, q = gaps[k].as_integer_ratio()
            size += given[k] * Fraction(math.isqrt(n * q << 400), q << 200)
        proves = np.all(given >= 0) and size > 0
        return bool(proves and self.highest(dot(given, rows), dot(given, bias)) <= size * upper)

    def hull_distance(self, i, points, normal, queries=R, lower=R, upper=R, weights=R):
        query, (_, products, n) = exact(queries), self.least(points, normal, i)
        beyond = self.beyond(min(products) - dot(query, n), lower, n)
        return beyond and near(mean(points, weights), query, upper)

    def hull_membership(self, i, points, queries, normal, rows=R, inside=R, support=R):
        if inside:
            return cancel(exact(points[support[0]]) - exact(queries[rows]))
        _, products, n = self.least(points, normal, i)
        return bool(np.all(products > dot(queries[rows], n)))

    def hull_vertices(self, i, points, normal, rows=R, inside=R, support=R):
        if inside:
            return cancel(exact(points[support[0][support[0] != rows]]) - exact(points[rows]))
        low, products, _ = self.least(points, normal, i)
        return bool(rows in low and np.all(products[low != rows] > products[low == rows]))

    def hull_separation(self, _, points_a, points_b, lower, upper, weights_a, weights_b, normal):
        a, b = points_a[next(lowest(points_a, normal[None]))], points_b[next(lowest(points_b, -normal[None]))]
        beyond = self.beyond(dot(a, normal).min() - dot(b, normal).max(), lower, exact(normal))
        return beyond and near(mean(points_a, weights_a[0]), mean(points_b, weights_b[0]), upper)

    def hull_overlap(self, _, points_a, points_b, rows_a, rows_b):
        return cancel(exact(points_a[rows_a]) - exact(points_b[rows_b]))

    def enclosing_ball(self, _, points, centre, lower, upper, weights):
        (columns, w), middle, c = weights[0], mean(points, weights[0]), exact(centre)
        spread = dot(w, ((exact(points[columns]) - middle) ** 2).sum(axis=1)) if middle is not None else 0
        known = lower == 0 or (lower > 0 and middle is not None and bool(spread >= lower**2 * sum(w)))
        return known and all(near(exact(x), c, upper) for x in outside(points, c, upper))

    def hull_diameter(self, _, points, rows, centre, lower, upper):
        step, ends = dot([1, -1], points[rows]), outside(points, exact(centre), upper / 2)
        apart = lower >= 0 and bool(dot(step, step) >= lower**2)
        return apart and all(near(exact(a), exact(b), upper) for b in ends for a in outside(points, b, upper))

    def tie(self, _, points, owner=R, tied=R, active=R, fixed=R, lower=R, upper=R, multipliers=R):
        z, given = exact(points[owner]), self.full(multipliers)
        free = np.all(given[self.others(*tied)] >= 0)
        apart = lower == 0 or (lower > 0 and free and self.dual(z, tied[0], given, lower))
        return len(set(tied)) == len(tied) > 1 and apart and self.reached(z, tied, active, fixed, upper)

    def nearest_tie(self, i, points, owner=R, tied=R, active=R, fixed=R, lower=R, upper=R):
        z, own, gaps = exact(points[owner]), tied[0], self.across(tied[0])[2]
        lead, pairs = self.lead(z, own), zip(self.fields["rival_of"], self.fields["rival"])
        self.memo = self.memo or dict(zip(pairs, self.fields["rival_multipliers"]))
        out = self.others(own) & (lower != 0) & ~(far(lead, lower, gaps) & ((gaps != 0) | (lead != 0)))
        for k in np.flatnonzero(out):
            given = self.full(self.memo.get((i, k), ([], [])))
            if np.any(given[self.others(own, k)] < 0) or not self.dual(z, own, given, lower):
                return False
        apart = lower >= 0 and len(tied) == 2 and tied[1] != own and bool(np.all(lead >= 0))
        return apart and self.reached(z, tied, active, fixed, upper)

    def machine(self, _, x, y, weight, bias, rows, multipliers, c, freedom, lower, upper):
        k, wide, w, b = int(y.max()) + 1, int(str(freedom) == "augmented"), exact(weight), exact(bias)
        shaped = len(w) == len(b) == multipliers.shape[1] == (k if k > 2 else 1)
        free = np.all(b == 0) if freedom == "none" else freedom in ("standard", "augmented")
        if not shaped or not free or not c >= 0 or multipliers.dtype.kind != "i":
            return False
        logits, mine = np.zeros((len(x), k), object), np.arange(k) == y[:, None]
        logits[:, k - len(w) :] = dot(x, weight.T) + b
        margins = logits[mine] - np.where(mine, logits.min() - 1, logits).max(axis=1)
        size, least = (w * w).sum() + wide * (b * b).sum(), margins.min()
        hard, soft = least > 0 and size <= 2 * upper * least**2, np.maximum(1 - margins, 0).sum()
        reached = upper == np.inf or (hard if c == np.inf else size + 2 * c * soft <= 2 * upper)
        if not reached or lower == 0:
            return bool(reached)
        alpha, hot = multipliers.astype(object), mine[rows]
        signs = np.where(hot, alpha.sum(axis=1)[:, None], -alpha)[:, k - len(w) :]
        total, sums, pull = alpha.sum(), signs.sum(axis=0), dot(signs.T, x[rows])
        square = (pull * pull).sum() + wide * (sums * sums).sum()
        balanced = (freedom != "standard" or np.all(sums == 0)) and (k == 2 or np.all(alpha[hot] == 0))
        if not (total > 0 and lower > 0 and balanced):
            return False
        f = min(c / alpha.sum(axis=1).max(), *([total / square] if square else []))
        return bool(f == np.inf or lower <= f * total - f * f * square / 2)


METHODS = {f: [*inspect.signature(f).parameters] for f in vars(Claim).values() if inspect.isfunction(f)}
KINDS = {f.__name__.replace("_", "-"): f for f, names in METHODS.items() if names[1:2] in (["_"], ["i"])}


def tensors(raw):  # the arrays of a safetensors file, by name
    start = 8 + int.from_bytes(raw[:8], "little")
    for name, entry in json.loads(raw[8:start]).items():
        part, kinds = raw[start:][slice(*entry["data_offsets"])], {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
        yield name, np.frombuffer(part, kinds[entry["dtype"]]).reshape(entry["shape"])


def restored(form, arrays):  # a field of a claim; a sparse matrix as rows, each of columns and values
    if "array" in form:
        a = np.ascontiguousarray(arrays[form["array"]])
        if sha256(f"{a.dtype.str} {a.shape}\n".encode() + a.tobytes()).hexdigest() != form["sha256"]:
            raise ValueError("an array is not what was written")
        return a
    if "sparse" in form:
        data, at, starts = (restored(form["sparse"][name], arrays) for name in ("data", "indices", "indptr"))
        n, m = form["shape"]
        sound = len(starts) == n + 1 and starts[0] == 0 and starts[-1] == len(at) == len(data)
        if not sound or np.any(np.diff(starts) < 0) or np.any((at < 0) | (at >= m)):
            raise ValueError("a sparse matrix is damaged")
        return list(zip(np.split(at, starts[1:-1]), np.split(data, starts[1:-1])))[:n]
    return float.fromhex(form["float"]) if "float" in form else next(iter(form.values()))


class Run:  # its files, the features of its parts, and what is wrong with them
    def __init__(self, folder):
        index = json.loads((folder / "index.json").read_bytes())["parts"]
        known = {place: file["sha256"] for part in index.values() for place, file in part["files"].items()}
        self.files = {p: (folder / p).read_bytes() if (folder / p).is_file() else b"" for p in known}
        here = set(known) | {f"claims/{path.name}" for path in (folder / "claims").glob("*")}
        wrong = [p for p in sorted(here) if p not in known or sha256(self.files[p]).hexdigest() != known[p]]
        self.faults = [f"{p}: is not what was written" for p in wrong]
        self.parts, said = {}, json.loads(self.files["run.json"])
        for place in (p for p in known if p.endswith("/features.safetensors")):
            split, manifest = place.split("/")[1], self.files[f"{place[:-20]}manifest.json"]
            self.parts[split] = part = dict(tensors(self.files[place]))
            self.head = {name: next(iter(self.parts.values()))[name] for name in ("weight", "bias")}
            samples, classes = said["data"]["splits"][split]["samples"], len(said["model"]["classes"])
            lengths = (len(part["features"]), len(part["labels"]), *part["weight"].shape[:1])
            sound = json.loads(manifest)["shards"][0]["sha256"] == sha256(self.files[place]).hexdigest()
            sound &= all(np.array_equal(part[name], self.head[name]) for name in self.head)
            sound &= np.array_equal(part["predictions"], part["logits"].argmax(axis=1))
            if not sound or lengths != (samples, samples, classes):
                self.faults.append(f"{place}: does not fit the run, or its predictions do not fit its logits")

    def points(self, words, record):  # the points that words name, and their labels, numbered anew
        [(split, name, classes, predicted, rows)] = re.findall(WORDS, words)
        some = classes or predicted
        if (some and rows) or not (name == "features" or (split == "record" and not some)):
            raise ValueError("it is about something unknown")
        x = record[name] if split == "record" else self.parts[split]["features"]
        y, kept = None if split == "record" else self.parts[split]["labels"], np.ones(len(x), bool)
        if classes:
            kept &= np.isin(y, [int(c) for c in classes.split(", ")])
        if predicted:
            kept &= self.classes(split) == (y if predicted == "as labelled" else int(predicted))
        chosen = [int(row) for row in rows.split(",")] if rows else np.flatnonzero(kept)
        return x.reshape(len(x), -1)[chosen], None if y is None else y[chosen]

    @cache  # noqa: B019
    def classes(self, split):  # the class that the head gives each sample, the lowest of several
        w, b, x = whole(self.head["weight"].T), exact(self.head["bias"]), self.parts[split]["features"]
        return np.array([(dot(z, w) + b).argmax() for z in x])

    def subject(self, name, words, record):  # the fields that a subject fills
        if name == "head" == words:
            return self.head
        if name != "domain":
            x, y = self.points(words, record)
            return {"x": x, "y": np.unique(y, return_inverse=True)[1]} if name == "samples" else {name: x}
        (kind, _, of), d = words.partition(" of "), len(self.head["weight"][0])
        x = self.points(of, record)[0] if kind in ("box", "hull") else np.zeros((0, d))
        if (kind, of) not in (("space", ""), ("orthant", "")) and not len(x):
            raise ValueError("there is no such domain")
        lo, hi = np.full(d, 0.0 if words == "orthant" else -np.inf), np.full(d, np.inf)
        lo, hi = (x.min(axis=0), x.max(axis=0)) if kind == "box" else (lo, hi)
        return {"lo": lo, "hi": hi, "vertices": x if kind == "hull" else np.zeros((0, d))}

    def claims(self):  # of each its name and kind, what is found of its statements, and what is wrong
        for place in (p for p in self.files if p.startswith("claims/") and p.endswith(".json")):
            study = place.removeprefix("claims/").removesuffix(".json")
            packed = (self.files.get(f"{folder}/{study}.npz") for folder in ("results", "claims"))
            record, arrays = (np.load(io.BytesIO(raw)) if raw else {} for raw in packed)
            for entry in json.loads(self.files[place])["claims"]:
                yield f"{study}/{entry['name']}", entry["kind"], *self.decided(entry, record, arrays)

    def decided(self, entry, record, arrays):  # what is found of its statements, and what is wrong with it
        if entry["kind"] not in KINDS:
            return Counter({"not decided here": entry["count"]}), ""
        try:
            plain = {key: value for key, value in entry.items() if key != "sha256"}
            fields = {name: restored(form, arrays) for name, form in entry["fields"].items()}
            stored = NAMED & set(fields) - ({"weight", "bias"} if entry["kind"] == "machine" else set())
            for subject, words in entry["about"].items():
                fields |= self.subject(subject, words, record)
            claim = Claim(entry["kind"], fields)
            sealed = sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest() == entry["sha256"]
            if not sealed or stored or claim.count != entry["count"]:
                raise ValueError("is not what was written, or stores what it is about")
            return Counter(claim.verdicts()), ""
        except Exception as error:  # a claim that cannot be read is refuted
            return Counter(refuted=1), f"{type(error).__name__}: {error}"


def main(arguments=None):  # check a run, print what is found, and return the exit status
    arguments, kinds, faults = arguments or sys.argv[1:], {}, []
    folder, form = Path(arguments[0] if arguments else ""), arguments[1:]
    if form not in ([], ["--json"]) or not (folder / "index.json").is_file():
        print("usage: python featgeom_check.py RUN [--json]; a run has an index.json", file=sys.stderr)
        return 2
    try:
        run = Run(folder)
        faults += run.faults
        for name, kind, tally, fault in run.claims():
            kinds.setdefault(kind, Counter()).update(tally + Counter(claims=1))
            bad = [f"{tally[word]:,} {word}" for word in ("refuted", "undecided") if tally[word]]
            faults += [" ".join([f"{name} ({kind}):", *bad, fault])] if bad else []
    except Exception as error:  # a damaged run is told in one line
        faults.append(f"{folder}: damaged ({type(error).__name__}: {error})")
    if not faults and not any(tally["proved"] for tally in kinds.values()):
        faults.append("there is no statement that it decides: nothing is proved")
    if form:
        print(json.dumps({"holds": not faults, "kinds": kinds, "faults": faults}, indent=2))
    else:
        print(f"{'kind':<18}{'claims':>7}" + "".join(f"{word:>17}" for word in WORD))
        for kind, tally in sorted(kinds.items()):
            print(f"{kind:<18}{tally['claims']:>7,}" + "".join(f"{tally[word]:>17,}" for word in WORD))
        print("\n".join(faults) or "every statement that it decides is proved")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
