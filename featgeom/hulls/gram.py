"""The least-norm point of a few atoms that have many coordinates, from their inner products alone.

The method is that of `minimum_norm`, whose triangle is here a Cholesky factor of the lifted inner products
s² + ⟨a_i, a_j⟩. That squares the condition number, so it is for those who then look at the answer in all
coordinates; in return a step costs as many operations as there are pairs of atoms, whatever their dimension.
"""

from __future__ import annotations

import numpy as np

from featgeom.hulls.minimum_norm import UNIT, compiled, dot, step_inside

DEPENDENT = 1e-12  # a square this small beside its lift, once orthogonalised, counts as zero


@compiled
def _append(gram, active, new, lift, axis, triangle, count):  # type: ignore[no-untyped-def]
    """Add atom ``new`` to the factorisation; False where it depends on the others."""
    column = triangle[count]
    square = lift * lift
    start = square + gram[new, new]
    for j in range(count):
        known = triangle[j]
        value = square + gram[new, active[j]] - dot(known[:j], column[:j])
        column[j] = value / known[j]
    after = start - dot(column[:count], column[:count])
    if not after > DEPENDENT * start:
        return False
    column[count] = np.sqrt(after)
    along = lift
    for j in range(count):
        along -= column[j] * axis[j, 0]
    axis[count, 0] = along / column[count]
    return True


@compiled
def _heights(gram, active, weights, count, heights):  # type: ignore[no-untyped-def]
    """Normalise the weights; write ⟨a_j, p⟩ of all atoms for their point p, and return ‖p‖²."""
    total = 0.0
    for i in range(count):
        total += weights[i]
    heights[:] = 0.0
    for i in range(count):
        weights[i] /= total
        row, along = gram[active[i]], weights[i]
        for j in range(heights.shape[0]):
            heights[j] += along * row[j]
    square = 0.0
    for i in range(count):
        square += weights[i] * heights[active[i]]
    return square


@compiled
def least_norm_of(gram, m, active, weights, count, rtol, limit, axis, triangle):  # type: ignore[no-untyped-def]
    """The least-norm point of m atoms with inner products ``gram[:m, :m]``, as `least_norm` finds it.

    Starts from ``count`` active atoms with weights; ``axis`` (m + 1, 1) and ``triangle`` (m + 1, m + 1) are
    room to work in. Returns the number of active atoms and of steps taken.
    """
    wanted, heights = np.empty(m + 1), np.empty(m)
    blocked = np.zeros(m, dtype=np.bool_)
    largest, nearest = 0.0, 0
    for j in range(m):
        largest = max(largest, gram[j, j])
        if gram[j, j] < gram[nearest, nearest]:
            nearest = j
    if gram[nearest, nearest] <= 0.0:
        active[0], weights[0] = nearest, 1.0
        return 1, 0
    lift = np.sqrt(largest)
    noise = 16 * UNIT * largest

    kept = np.int64(0)  # a literal 0 would compile _append once more
    for j in range(count):
        if _append(gram, active, active[j], lift, axis, triangle, kept):
            active[kept], weights[kept] = active[j], weights[j]
            kept += 1
    count = kept
    if count == 0:
        active[0], weights[0] = nearest, 1.0
        _append(gram, active, nearest, lift, axis, triangle, kept)
        count = 1
    count = step_inside(axis, triangle, active, weights, wanted, count)
    square = _heights(gram, active, weights, count, heights)

    steps = 0
    while steps < limit:
        best, lowest = -1, square - rtol * square - noise
        for j in range(m):
            if heights[j] < lowest and not blocked[j]:
                best, lowest = j, heights[j]
        if best < 0:
            break
        steps += 1
        if not _append(gram, active, best, lift, axis, triangle, count):
            blocked[best] = True
            continue
        active[count], weights[count] = best, 0.0
        count = step_inside(axis, triangle, active, weights, wanted, count + 1)
        before, square = square, _heights(gram, active, weights, count, heights)
        if not square < before:
            blocked[best] = True
    return count, steps


@compiled
def _tile(left, right, products):  # type: ignore[no-untyped-def]
    """⟨left_j, right_k⟩ for four rows each: sixteen sums, so that a number is loaded once for four."""
    a, b, c, d = left[0], left[1], left[2], left[3]
    s, t, u, v = right[0], right[1], right[2], right[3]
    a_s = a_t = a_u = a_v = b_s = b_t = b_u = b_v = 0.0
    c_s = c_t = c_u = c_v = d_s = d_t = d_u = d_v = 0.0
    for i in range(left.shape[1]):
        a_s += a[i] * s[i]
        a_t += a[i] * t[i]
        a_u += a[i] * u[i]
        a_v += a[i] * v[i]
        b_s += b[i] * s[i]
        b_t += b[i] * t[i]
        b_u += b[i] * u[i]
        b_v += b[i] * v[i]
        c_s += c[i] * s[i]
        c_t += c[i] * t[i]
        c_u += c[i] * u[i]
        c_v += c[i] * v[i]
        d_s += d[i] * s[i]
        d_t += d[i] * t[i]
        d_u += d[i] * u[i]
        d_v += d[i] * v[i]
    products[0, 0], products[0, 1], products[0, 2], products[0, 3] = a_s, a_t, a_u, a_v
    products[1, 0], products[1, 1], products[1, 2], products[1, 3] = b_s, b_t, b_u, b_v
    products[2, 0], products[2, 1], products[2, 2], products[2, 3] = c_s, c_t, c_u, c_v
    products[3, 0], products[3, 1], products[3, 2], products[3, 3] = d_s, d_t, d_u, d_v


@compiled
def _load(points, query, rows, first, stop, atoms):  # type: ignore[no-untyped-def]
    """x − q of the points rows[first:stop] in float64, into the first rows of ``atoms``."""
    for j in range(first, stop):
        point, atom = points[rows[j]], atoms[j - first]
        for i in range(query.shape[0]):
            atom[i] = np.float64(point[i]) - query[i]


@compiled
def extend(points, query, rows, known, total, atoms, four, gram):  # type: ignore[no-untyped-def]
    """Inner products ⟨x_i − q, x_j − q⟩ of the points rows[known:total] with all before and themselves.

    ``atoms`` (a multiple of four, d), wide enough for the new ones, and ``four`` (4, d) are room to work in
    that holds finite numbers.
    """
    products = np.empty((4, 4))
    _load(points, query, rows, known, total, atoms)
    for j in range(0, total, 4):
        _load(points, query, rows, j, min(total, j + 4), four)
        for k in range(known, total, 4):
            if k + 4 > j:
                _tile(four, atoms[k - known : k - known + 4], products)
                for x in range(j, min(total, j + 4)):
                    for y in range(k, min(total, k + 4)):
                        gram[x, y] = gram[y, x] = products[x - j, y - k]


@compiled
def unpack(packed, total, gram):  # type: ignore[no-untyped-def]
    """The square matrix of which ``packed`` holds the lower triangle, row after row."""
    at = 0
    for j in range(total):
        for k in range(j + 1):
            gram[j, k] = gram[k, j] = packed[at]
            at += 1


@compiled
def pack(gram, order, total, packed):  # type: ignore[no-untyped-def]
    """The lower triangle of the matrix with its rows and columns in that order."""
    at = 0
    for j in range(total):
        row = gram[order[j]]
        for k in range(j + 1):
            packed[at] = row[order[k]]
            at += 1
