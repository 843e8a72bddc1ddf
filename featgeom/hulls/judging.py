"""What a pass over all points shows of one query: how low they reach along its normal, and which do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from featgeom.hulls.minimum_norm import compiled


@compiled
def beyond(point, query, normal):  # type: ignore[no-untyped-def]
    """⟨point − query, normal⟩ in float64."""
    total = 0.0
    for i in range(normal.shape[0]):
        total += (np.float64(point[i]) - query[i]) * normal[i]
    return total


@compiled
def _four_beyond(points, row, query, normal, values):  # type: ignore[no-untyped-def]
    """`beyond` for four consecutive points, which costs little more than for one."""
    first, second, third, fourth = points[row], points[row + 1], points[row + 2], points[row + 3]
    a = b = c = d = 0.0
    for i in range(normal.shape[0]):
        a += (np.float64(first[i]) - query[i]) * normal[i]
        b += (np.float64(second[i]) - query[i]) * normal[i]
        c += (np.float64(third[i]) - query[i]) * normal[i]
        d += (np.float64(fourth[i]) - query[i]) * normal[i]
    values[0], values[1], values[2], values[3] = a, b, c, d


class Asked(NamedTuple):
    """One query beside the points: those below ``level`` along ``normal`` are looked for.

    ``own`` is the row that is left out (−1 for none), ``known`` are the rows already in its working set.
    """

    own: Any
    query: Any
    normal: Any
    known: Any
    level: Any


class Seen(NamedTuple):
    """What float32 saw of blocks of points, for each of q normals, relative to the query.

    ``values`` (q, k) ascending are the least of the blocks ``numbers`` (q, k), ``rest`` (q,) that of all the
    others; ``slack`` is how far each may be wrong.
    """

    values: Any
    numbers: Any
    rest: Any
    slack: Any


@compiled
def scan(points, first, last, asked, found, depth, count):  # type: ignore[no-untyped-def]
    """Look at points[first:last] in float64; note those below the level, deepest first; least and count."""
    least = np.inf
    room = found.shape[0]
    values = np.empty(4)
    together = 0
    for row in range(first, last):
        if together == 0 and row + 4 <= last:
            _four_beyond(points, row, asked.query, asked.normal, values)
            together = 4
        if together > 0:
            value = values[4 - together]
            together -= 1
        else:
            value = beyond(points[row], asked.query, asked.normal)
        if row == asked.own:
            continue
        least = min(least, value)
        if value >= asked.level or (count == room and value >= depth[count - 1]):
            continue
        new = True
        for j in range(asked.known.shape[0]):
            if asked.known[j] == row:
                new = False
        for j in range(count):
            if found[j] == row:
                new = False
        if not new:
            continue
        at = min(count, room - 1)
        while at > 0 and depth[at - 1] > value:
            depth[at], found[at] = depth[at - 1], found[at - 1]
            at -= 1
        depth[at], found[at] = value, row
        count = min(count + 1, room)
    return least, count


@compiled
def judge(points, size, asked, seen, a, error, goal, found):  # type: ignore[no-untyped-def]
    """The least ⟨x − query, normal⟩ over all points, proved, and the points found beyond the plane.

    ``seen`` holds what float32 saw, in row ``a``. Looks first at as many blocks as could give new points;
    when these give none, or leave the gap below ``goal``, at all that float32 cannot exclude. Returns the
    proved minimum (−inf where a deeper look is not worth it), the number of points found, and whether blocks
    beyond those listed would have to be looked at.
    """
    n, level, slack = points.shape[0], asked.level, seen.slack + error
    values, numbers, rest = seen.values[a], seen.numbers[a], seen.rest[a]
    depth = np.empty(found.shape[0])
    least, count = np.inf, np.int64(0)  # a literal 0 would compile scan once more
    home = asked.own // size if asked.own >= 0 else -1
    if home >= 0:
        first = home * size
        least, count = scan(points, first, min(n, first + size), asked, found, depth, count)
    few = min(found.shape[0], numbers.shape[0])
    for k in range(numbers.shape[0]):
        if k >= few and count > 0 and level - least > goal:
            return -np.inf, count, False
        if values[k] - slack >= (level if k < few else min(least, level)):
            break
        block = numbers[k]
        if block >= 0 and block != home:
            first = block * size
            low, count = scan(points, first, min(n, first + size), asked, found, depth, count)
            least = min(least, low)
    if count > 0 and level - least > goal:
        return -np.inf, count, False
    far = rest - slack < min(least, level) and level - (rest - slack) > goal
    return min(least, rest - slack, level) - error, count, far
