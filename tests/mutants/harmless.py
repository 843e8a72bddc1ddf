"""Mutants that no test notices, and why none of them proves a lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from mutate import Mutant


class Rule(NamedTuple):
    """Mutants of a function (a pattern of "room/file.py function") whose change looks like this, and why."""

    where: str
    change: str
    reason: str


RULES = (
    Rule(
        "certificates/hulls.py _InOrOut.decide",
        "low is None or .*",
        "a statement is decided only where the screen has found a lowest point",
    ),
    Rule(
        "certificates/slices.py SliceCells._tiles",
        r"_is_convex\(ring\) or _is_simple\(ring\) → _is_simple\(ring\)",
        "a ring that turns left once around is simple: it is asked first because that is quick",
    ),
    Rule(
        "certificates/cells.py CellsMeet.decide",
        "others and .*",
        "the greatest of no others is an error, which proves nothing",
    ),
    Rule(
        ".*",
        r"max\(1, \w+ // .*\) → min\(.*",
        "how much is looked at in one step: one at a time is slower, none at all is an error",
    ),
    Rule(
        ".*",
        r"max\(self\.weight\.shape\) → min\(.*",
        "how much is looked at in one step",
    ),
    Rule(
        "certificates/claim.py Claim.__init_subclass__",
        "if KINDS.* → never",
        "it stops who gives two kinds one name, not who writes a claim",
    ),
    Rule(
        "certificates/claim.py Claim.__len__",
        "self.counted in spec.shape and .*",
        "what passed the door has the shape declared; only how many are refuted of what did not would differ",
    ),
    Rule(
        "certificates/crossings.py SegmentCells.decide",
        "before < 0 or after < 0 or .* → (after|before) < 0 or before .*",
        "with one of the two below 0 and the other not, before / (before + after) is not inside (0, 1), and "
        "the pieces do not follow each other",
    ),
    Rule(
        "certificates/crossings.py SegmentCells.decide",
        r"len\(cells\) > 1.*",
        "of one cell 0 and 1 are compared, and rise",
    ),
    Rule(
        "certificates/guarantees.py GuaranteedHull._open",
        "(low >= self.margin|centre_low >= 0|low >= centre_high) → .* > .*",
        "what this screen leaves open is decided exactly",
    ),
    Rule(
        "certificates/guarantees.py GuaranteedHull._open",
        "t == np.inf → t != np.inf",
        "a least margin above the centre's, which is not negative, stays so by any factor; of an infinite "
        "factor the difference of infinities is left to be decided exactly",
    ),
    Rule(
        "certificates/guarantees.py GuaranteedHull._open",
        "t <= 1 → t < 1",
        "for a factor of 1 the centre counts 0 times",
    ),
    Rule(
        "certificates/guarantees.py GuaranteedHull._open",
        "hull \\+ centre > .* → hull \\+ centre >= .*",
        "the bound is twice what four roundings may do",
    ),
    Rule(
        "certificates/guarantees.py GuaranteedHull._open",
        ".* \\+ TINY → .* - TINY",
        "for a factor above 1 each bound on a margin keeps more than TINY to spare, since underflow of d "
        "products loses far less than the d TINY of product_error; for others no term is negative",
    ),
    Rule(
        "certificates/sections.py EmptySection.decide",
        "abs.* > Fraction.* → abs.* >= Fraction.*",
        "a product of floats is never 1/1000 away from a whole number: that is no dyadic number",
    ),
    Rule(
        "certificates/sections.py EmptySection.decide",
        "self.offset >= 0 → self.offset > 0",
        "an offset of 0 is not above what the plane reaches, which is asked next",
    ),
    Rule(
        "certificates/sections.py EmptySection.decide",
        "fraction.* <= within → .*",
        "axes orthonormal to 1/1000 give less than 1.0011 times the reach, and 1.01 times is allowed",
    ),
    Rule(
        "certificates/extent.py HullDiameter.decide",
        "if all_within.* → never",
        "all pairs say the same; a ball is asked first because that is quick",
    ),
    Rule(
        "certificates/extent.py HullDiameter.decide",
        ".*MOST_PAIRS.*",
        "it refuses work, and proves nothing",
    ),
    Rule(
        "certificates/extent.py all_(pairs_)?within",
        ".* < (radius|bound) → .* <= (radius|bound)",
        "lengths are bounds from above, and a distance may be as large as the bound",
    ),
    Rule(
        "certificates/extent.py all_pairs_within",
        "found \\+ error < limit → .*",
        "the limit is the float below the square of the bound",
    ),
    Rule(
        "certificates/farkas.py completed",
        r"set\(solved\.tolist\(\)\) <= set\(values\) → .* < set\(values\)",
        "where all are solved for, only multipliers of 0 make the slope vanish, and these prove nothing",
    ),
    Rule(
        "certificates/farkas.py completed",
        "(?!(if )?own in values|(not )?set).*",
        "whatever multipliers it finds of the classes stored, their signs and the supremum are checked "
        "exactly after it",
    ),
    Rule(
        "certificates/farkas.py _Nowhere.screened",
        "(sums < 0 → sums <= 0|sums.* != 0 → .*|highest < 0 → highest <= 0)",
        "zeros are left to be decided exactly; the own class has no margin over itself, whatever its "
        "multiplier; and a TINY that nothing needs is added to the bound",
    ),
    Rule(
        "certificates/farkas.py _Nowhere.screened",
        r"np\.diff\(self\.solved.* == 0 → .*",
        "multipliers that prove it as they are stored prove it",
    ),
    Rule(
        "certificates/farkas.py _Nowhere.decide",
        "value < 0 → value <= 0",
        "a zero that is stored is refused, which proves less",
    ),
    Rule(
        "certificates/cells.py CellsMeet.decide",
        ".*faults.* → faults.*",
        "it says which fault comes first",
    ),
    Rule(
        "certificates/classes.py ClassMargin.screened",
        "(.*float32.*|lower >= self.margin.*) → .*",
        "what this screen leaves open is decided exactly",
    ),
    Rule(
        "certificates/classes.py ClassMargin.(screened|decide)",
        r"(lower|leads\[k\]) > needs.* → .* >= needs.*",
        "what float32 needs is above what it may do by a part in a million, and is not 0",
    ),
    Rule(
        "certificates/classes.py ClassBall.screened",
        "margins - error (>= need|> 0) → margins - error (> need|>= 0)",
        "what this screen leaves open is decided exactly; and a need is the float above a product, so not 0",
    ),
    Rule(
        "certificates/classes.py ClassBall.decide",
        r"(gap2 == 0 and .* → gap2 == 0|leads\[k\] > 0 → leads\[k\] >= 0|radius == 0 or .* → far or .*)",
        "no lead is negative by then: a class of the same row is nowhere above, and 0 times any length is "
        "no more than the lead",
    ),
    Rule(
        "certificates/classes.py ClassBall.decide",
        ".* and gap2 → .*",
        "it says refuted or undecided, and proves nothing",
    ),
    Rule(
        "certificates/classes.py ClassBall.decide",
        r"not len\(step\) or .* → not step\[0\].*",
        "a step that is not there is an error, which proves nothing",
    ),
    Rule(
        "certificates/classes.py ClassBall._out_of_reach",
        "a (>|<) 0 → a (>|<)= 0",
        "where the difference of the rows is 0 a side adds nothing",
    ),
    Rule(
        "certificates/norms.py _along",
        "a and b → .*",
        "a product with 0 adds nothing",
    ),
    Rule(
        "certificates/norms.py _InNorm._kept",
        "t > 0 → t >= 0",
        "a push of 0 takes nothing",
    ),
    Rule(
        "certificates/norms.py _InNorm._kept",
        "total <= 0 .*",
        "0 or less is no more than a positive distance times a length that is not 0, which is asked next; "
        "an infinite distance is an error there and proves nothing",
    ),
    Rule(
        "certificates/separations.py HullSeparation.screened",
        r"(wide or self.lower == 0|close or self.upper == np.inf) → .*",
        "a bound that the screen does not take is decided exactly: it takes fewer",
    ),
    Rule(
        "certificates/separations.py HullSeparation.screened",
        r"(centre \+ np.nan_to_num|near\[0\] \+ near\[1\] → near\[0\] - near\[1\]).*",
        "the middle may be anywhere: what both hulls are moved by moves neither bound",
    ),
    Rule(
        "certificates/separations.py HullSeparation.screened",
        r".* > self.lower \* .* → .* >= self.lower \* .*|apart <= .* → apart < .*",
        "both sides are off by more than they round, so that equality proves the bound as well",
    ),
    Rule(
        "certificates/hulls.py HullDistance.screened",
        ".*(self.upper → .* < self.upper|→ near & .*)",
        "what this screen leaves open is decided exactly",
    ),
    Rule(
        "certificates/hulls.py means_near",
        "total (> 0.5|< 2) → .*",
        "these sums of weights are far from where weights underflow",
    ),
    Rule(
        "certificates/hulls.py _InOrOut._lowest",
        "-np\\.inf → \\+np\\.inf",
        "where a point is to be inside nobody asks how low the others reach",
    ),
    Rule(
        "certificates/sparse.py FewestFeatures._far",
        "(a > 0 → a >= 0|a and count → count)",
        "a coordinate that does not count takes nothing",
    ),
    Rule(
        "certificates/shapes.py InscribedBall._decide_upper",
        "min\\(found.* < 0 → .* <= 0",
        "a zero that is stored is refused, which proves less",
    ),
    Rule(
        "certificates/ties.py _ClosestTies._none_nearer",
        "m < 0 → m <= 0",
        "a zero that is stored is refused, which proves less",
    ),
    Rule(
        "certificates/ties.py _ClosestTies._within",
        "side > 0 → side >= 0",
        "wherever the point is looked for, that it ties and is near enough is checked exactly",
    ),
    Rule(
        "certificates/ties.py NearestTie._open",
        "margins - error > need → .*",
        "a lead as large as the need is enough, and the need is the float above a product",
    ),
    Rule(
        "exact/domains.py ExactDomain.misfit",
        r"\(self.lo <= self.hi\).all\(\) and .* → \(self.lo <= .*|\(self.*inf\).any\(\) → .*",
        "the door lets no such bound in",
    ),
    Rule(
        "exact/domains.py ExactDomain.highest",
        "a > 0 → a >= 0",
        "where the slope is 0 no side counts",
    ),
    Rule(
        "exact/numbers.py scaled",
        "exponent >= 0 → exponent > 0",
        "divided by 1, too, it is the same number",
    ),
    Rule(
        "exact/numbers.py integers",
        "(whole & -whole → .*|up < 0 → up <= 0|up > 0 → up >= 0|exponent \\+ trailing → .*)",
        "x | −x is the negative of x & −x; shifts by 0 change nothing; a smaller exponent with larger "
        "integers is the same number",
    ),
    Rule(
        "exact/screens.py lowest",
        ".*len.points. == 0.*",
        "claims have points; without any there would be no minimum to return",
    ),
    Rule(
        "exact/screens.py lowest_under",
        "ceiling > -np.inf → .*",
        "what nobody asks for is computed",
    ),
    Rule(
        "certificates/cells.py CellsMeet._screen",
        "np.isfinite.* & np.isfinite.* → .* \\| .*",
        "an error holds u times the size of what it is of, so is not finite where that is not; and nothing "
        "passes a comparison with an error that is NaN or infinite",
    ),
    Rule(
        "certificates/cells.py CellsMeet.decide",
        "1 - s → 1 \\+ s",
        "a positive multiple of the logits at another place on the same segment",
    ),
    Rule(
        "certificates/classes.py ClassBall._out_of_reach",
        "z - tau \\* a (<|>) .* → z - tau \\* a (<|>)= .*",
        "where the step ends on the side, (z − side) / τ is the entry of v itself",
    ),
    Rule(
        "certificates/classes.py ClassBall._out_of_reach",
        "total > 0 and .* → self\\.radius.*",
        "a radius is positive here and y is not 0, so that no other total is as large as their product",
    ),
    Rule(
        "certificates/machines.py Machine._total_slack",
        "margins - error >= 1 → margins - error > 1",
        "what this screen leaves open is decided exactly",
    ),
    Rule(
        "exact/domains.py ExactDomain.highest_above",
        "max\\(slope\\.shape\\) → .*",
        "how much is looked at in one step",
    ),
    Rule(
        "exact/domains.py ExactDomain.highest_above",
        "(-np\\.inf → .*|np\\.maximum\\(best.*|np\\.maximum\\(terms.*)",
        "the bound is infinite then, or the sum of two infinities: what this screen leaves open is "
        "decided exactly",
    ),
    Rule(
        "exact/domains.py ExactDomain.highest_above",
        "(np\\.isfinite.* \\| .* → .* & .*|up <= 0 → up < 0|down >= 0 → down > 0)",
        "what this screen leaves open is decided exactly",
    ),
    Rule(
        "exact/fields.py admit",
        "spec.type == .word. or not spec.shape → not spec.shape",
        "a word has no shape",
    ),
    Rule(
        ".*",
        "max\\(weight\\.shape\\) → min\\(.*",
        "how much is looked at in one step",
    ),
    Rule(
        "certificates/cells.py CellsMeet.screened",
        "(-np\\.inf → .*|lead > .* → lead >= .*|lower > above.* → lower >= .*)",
        "nothing is above infinity, which leaves it open; the bounds are above what rounding does by a part "
        "in a thousand and by TINY",
    ),
    Rule(
        "certificates/slices.py SliceCells._excess",
        "head\\.exponent \\+ scale.* → .*",
        "it is the lowest exponent: a lower one gives the same numbers, a higher one a negative shift, "
        "which is an error",
    ),
    Rule(
        "certificates/slices.py SliceCells._tiles",
        "_area\\(ring\\) <= 0 → .*",
        "a ring that is simple has an area",
    ),
    Rule(
        "certificates/slices.py _is_convex",
        "q > p → q >= p",
        "of two corners that are one there is no turn to the left, which is asked first",
    ),
    Rule(
        "certificates/slices.py _is_simple",
        "if p == q → never",
        "an edge of no length lies on its neighbour, which is asked next",
    ),
    Rule(
        "certificates/slices.py _is_simple",
        r"_on_edge\(other, p, q\) or _on_edge\(mine, r, s\) → _on_edge\((other, p, q|mine, r, s)\)",
        "the corner that lies on its neighbour's edge ends another edge, no neighbour of that one, and is "
        "refused for it; but in a triangle, which then has no area and is refused for that",
    ),
    Rule(
        "certificates/slices.py _cross",
        "[ac] \\* [bd] < 0 → .*",
        "it refuses edges that touch, as the next condition does",
    ),
    Rule(
        "exact/.*",
        r"max\((1, width|1, left\.shape\[1\]|len\(right\), points\.shape\[1\])\) → min\(.*",
        "how much is looked at in one step",
    ),
    Rule(
        "exact/fields.py _lengths",
        r"isinstance\(dimension, str\) and .* → .*",
        "a dimension that is a number is no name, and nobody looks it up; a shape that holds something else "
        "than numbers is that of no array, which does not get in",
    ),
    Rule(
        "exact/domains.py ExactDomain.highest_above",
        r"1\.001 .* \+ d \* TINY → .* - d \* TINY",
        "an underflow loses far less than the t of which product_error holds d",
    ),
    Rule(
        "exact/fields.py _scalar",
        r"_in_range.*\.all\(\) → .*\.any\(\)",
        "it is one number",
    ),
    Rule(
        "exact/numbers.py at_least",
        "(bound < 0 → bound <= 0|value >= 0 → value > 0)",
        "by a bound of 0 both lines say whether the value is negative; the square of 0 is no more than any",
    ),
    Rule(
        "exact/numbers.py solve",
        "if matrix.ncols.* → never",
        "with more unknowns than equations the normal equations are singular",
    ),
    Rule(
        "exact/float32.py float32_needs",
        ".* > largest → .* >= largest",
        "a quarter of the largest number that float32 holds is far from where it overflows",
    ),
    Rule(
        "exact/heads.py exact_classes",
        r"margins - error > 0 → .* >= 0",
        "whichever class is asked about first, it must lead by more than rounding does, of which the bound "
        "is above that by a part in a thousand; else it is decided exactly",
    ),
    Rule(
        "exact/screens.py lowest_under",
        r"max\(1, points\.shape\[1\]\) → min\(.*",
        "how many directions are looked at in one step",
    ),
    Rule(
        "exact/screens.py _candidates",
        r"(np\.minimum\(best.* → .*|.* <= best.* → .* < best.*)",
        "of more candidates the lowest is found as well; and a product is nearer than the bound on its "
        "rounding, which is above it by a part in a thousand and by TINY",
    ),
    Rule(
        "certificates/guarantees.py BrokenHull.screened",
        r"(lead < .* → lead <= .*|.* \+ U \* np\.abs\(lead\) → .* - U \* np\.abs\(lead\))",
        "the bound on both logits is above what their rounding does by a part in a thousand, and their "
        "difference is off by u of no more than that bound",
    ),
    Rule(
        "certificates/guarantees.py BrokenHull.screened",
        r"-1\.001 \* \(.*\) - TINY → -1\.001 \* \(.*\) \+ TINY",
        "each class counts TINY a product, of which an underflow takes half",
    ),
    Rule(
        "certificates/ties.py _ClosestTies._near",
        r".* > 1\.001 .* → .* >= 1\.001 .*",
        "a bound is above what rounding does by a part in a thousand",
    ),
    Rule(
        "certificates/norms.py TieInNorm.decide",
        "m < 0 → m <= 0",
        "a multiplier of 0 adds nothing; one that is stored proves less",
    ),
    Rule(
        "certificates/norms.py NearestInNorm.decide",
        r"self\.lower\[i\] > 0 → self\.lower\[i\] >= 0",
        "of a distance of 0 is asked what is asked of others, which proves less",
    ),
    Rule(
        "exact/polytopes.py Part.cut",
        "signs (>|<) 0 → signs (>|<)= 0",
        "of two ends one is above 0 and one below: parts are cut where both signs are met",
    ),
    Rule(
        "exact/polytopes.py Part._side",
        "(following < 0 → following <= 0|sign > 0 → sign >= 0)",
        "a line that enters meets the ring twice in all, so that no two corners on it are neighbours; and it "
        "crosses no edge that begins on it",
    ),
    Rule(
        "exact/polytopes.py led",
        r"low\.min\(axis=1\) → low\.max\(axis=1\)",
        "with whichever entry the others are compared, those that are below it at every corner do not lead",
    ),
    Rule(
        "exact/polytopes.py domain",
        r"np\.abs\(at\) \+ off → np\.abs\(at\) - off",
        "off is 2 u of at, and TINY: a part in 2^51 of an error that is counted twice, and 8 TINY are added",
    ),
    Rule(
        "exact/polytopes.py (_root|_meeting)",
        "steep > 0 → steep >= 0",
        "what is off is divided by 0 then, and infinite: no error is 0",
    ),
    Rule(
        "exact/polytopes.py domain",
        "value > error → value >= error",
        "an error is above what may be off by a part in 2^40, so that a value as large is not 0",
    ),
    Rule(
        "exact/pieces.py Walk.__init__",
        r"corners - corners\[0\] → .*",
        "any power of two is a scale",
    ),
    Rule(
        "exact/pieces.py Walk._on",
        r"max\(\(x\.size.* → min\(.*",
        "how much is held at a time",
    ),
    Rule(
        "exact/pieces.py Walk.(_on|_kept)",
        r"self\._last\[v\] > i → .* >= i",
        "what nobody asks for is kept",
    ),
    Rule(
        "exact/pieces.py Walk._kinked",
        "values (> error|< -error) → values (>= error|<= -error)",
        "an error is above what may be off by a part in 2^40, so that a value as large is not 0",
    ),
    Rule(
        "exact/pieces.py Walk._kinked",
        r"if not len\(open_\) → never",
        "nothing is cut where nothing is open",
    ),
    Rule(
        "exact/pieces.py Walk._windowed",
        r"low\.min\(axis=2\) → low\.max\(axis=2\)",
        "whichever entry is compared with the others, it must be above them at every corner",
    ),
    Rule(
        "exact/pieces.py Walk._windowed",
        ".* >= others → .* > others",
        "what is not settled at once is asked one by one",
    ),
    Rule(
        "exact/pieces.py _taking_part",
        r"\(2 << .* - 1 → .* \+ 1",
        "that all three images take part is true, and tells nothing",
    ),
    Rule(
        "exact/single.py Single.spread",
        "least > 1e-290 → least >= 1e-290",
        "a product of 10^-290 is far from where products underflow",
    ),
    Rule(
        "exact/doubled.py Doubled.affine",
        r"np\.abs\(rows.* \+ np\.abs\(shift\) → .*",
        "what adding a shift rounds is far less than LOST of the sum; where they cancel it is nothing",
    ),
    Rule(
        "exact/doubled.py sliced",
        r"len\(kept\) == len\(whole\) → .*",
        "zeros are stored, or left out",
    ),
    Rule(
        "exact/doubled.py _wholes",
        "taken <= KEPT → taken < KEPT",
        "what is left of a number is below 2^-96 of the largest then, and LOST is 2^-88",
    ),
    Rule(
        "exact/running.py _kinked",
        r"x\.rows\[\.\.\., 0\] > 0 → .* >= 0",
        "0 is 0 on either side, and what it may be off is as much as before",
    ),
    Rule(
        "exact/tiles.py classes_along",
        r".*at\.min\(\) → .*at\.max\(\)",
        "pieces of which one begins where another ends are in one order by both",
    ),
    Rule(
        "exact/doubled.py _wholes",
        r"DIGITS < taken <= DIGITS \+ bits → (DIGITS <= .*|.* < DIGITS \+ bits)",
        "53 is prime, so that neither is met by slices of 2 digits to 26",
    ),
    Rule(
        "exact/doubled.py product",
        "(part is not None and .* → part is not None|depth .* <= KEPT → .* < KEPT)",
        "of products 2^-96 of the largest more are added up, or fewer: LOST is 2^-88",
    ),
    Rule(
        "exact/doubled.py product",
        "largest > 0 → largest >= 0",
        "more is said to be lost of what is 0",
    ),
    Rule(
        "certificates/pixel_(balls.py PixelBall|pieces.py PixelSegment).misfit",
        r"len\(self\.first\) == len\(self\) \+ 1 and .* → self\.first\[0\].*",
        "a statement that has no parts or classes is an error; those that belong to none prove nothing",
    ),
    Rule(
        "certificates/pixel_balls.py PixelBall.misfit",
        "self\\.low <= self\\.high → self\\.low < self\\.high",
        "bounds that leave one image are refused, which proves less",
    ),
    Rule(
        "certificates/pixel_(balls.py PixelBall.decide|pieces.py (far|PixelPolygon.decide))",
        ".* <= (self\\.(off\\[i\\]|error)|off) → .* < .*",
        "what is off by as much as is stated is refused, which proves less",
    ),
    Rule(
        "certificates/pixel_balls.py PixelBall._fault",
        "lead > 0 → lead >= 0",
        "a bound is the float below what it bounds",
    ),
    Rule(
        "certificates/pixel_balls.py PixelBall._fault",
        r"0 < value < len\(self\.layers\) → 0 < value <= len\(self\.layers\)",
        "the two sides of a logit make up the ball as well",
    ),
    Rule(
        "certificates/pixel_balls.py PixelBall._fault",
        "0 <= entry < .* → 0 < entry < .*",
        "no part is cut at entry 0 then, which proves less",
    ),
    Rule(
        "certificates/pixel_pieces.py at_most",
        r"(count -= .* → .*|if count < 0 → never)",
        "it goes on to the last piece, and all of them are more than stated as well",
    ),
    Rule(
        "certificates/pixel_pieces.py PixelSegment.decide",
        r"-50 → \+50",
        "what is off is made far too large, which proves less",
    ),
    Rule(
        "exact/relaxing.py Relaxation.part",
        r"np\.(maximum\(low|minimum\(high)\[entry\], 0\.0\) → .*",
        "ends that are wider hold as well",
    ),
    Rule(
        "exact/images.py Ball.least",
        r"(\(\(at > .* → \(at > .* \| \(\(at < .*|at (>|<) .* → at (>|<)= .*|c\.data (>|<) 0 → .*)",
        "what is counted among the values that move makes the bound lower",
    ),
    Rule(
        "exact/images.py Ball.least",
        r"(np\.maximum\(size, .*|row_sums\(np\.abs\(c\.data \* move\).*) → .*",
        "with a price the terms of the bound are no more than three times that of the ball alone, which is "
        "no less than the corner's where that is taken; 16 times as much is counted",
    ),
    Rule(
        "exact/images.py Ball.least",
        r"linear \+ square → linear - square",
        "a square that is taken off makes the bound lower",
    ),
    Rule(
        "exact/relaxing.py Relaxation._forward",
        "end > 0 → end >= 0",
        "0 is 0 on either side",
    ),
    Rule(
        "exact/relaxing.py Relaxation._narrow",
        r"np\.(maximum\(low|minimum\(high).* → np\.(minimum\(low|maximum\(high).*",
        "ends that are wider hold as well",
    ),
    Rule(
        "exact/relaxing.py Relaxation._kinked",
        "(low < 0 → low <= 0|high > 0 → high >= 0)",
        "where an end is 0 what any line leaves out is counted as well",
    ),
    Rule(
        "exact/relaxing.py _(shares|slopes)",
        ".*",
        "what any share of an entry, or any line, leaves out is counted",
    ),
    Rule(
        "exact/relaxing.py Relaxation._forward",
        "(low|high) > 0 → (low|high) >= 0",
        "what 0 makes is 0, and the float below it is below it",
    ),
    Rule(
        "exact/relaxing.py _product",
        ".*",
        "both ways make the product, and are rounded as little",
    ),
    Rule(
        "exact/relaxing.py Relaxation._forward",
        "if not layer.share → never",
        "ends that are one number wider hold as well",
    ),
    Rule(
        "exact/relaxing.py Relaxation._largest",
        "g.data < 0 → g.data <= 0",
        "0 times any share is 0",
    ),
    Rule(
        "exact/relaxing.py Relaxation._go_on",
        r"isinstance\(layer, Kink \| Largest\) and .* → isinstance\(layer, Kink \| Largest\)",
        "what has been asked for is asked for again",
    ),
    Rule(
        "exact/relaxing.py Relaxation._go_on",
        "layer.source != narrowed → layer.source == narrowed",
        "ends that are wider hold as well",
    ),
    Rule(
        "exact/relaxing.py _scattered",
        r"real & \(c != 0\) → .* \| .*",
        "where there is no entry there is no share of one",
    ),
    Rule(
        "exact/running.py _largest",
        r"error\[index\] \+ np\.abs\(left\) → .*",
        "what is left of a sum is 2^-53 of it, and 2^-40 of it are added",
    ),
    Rule(
        "exact/running.py _largest",
        r"np\.abs\(rows\[index\]\) \+ np\.abs\(rows\[chosen\]\) → .*",
        "of two whose first parts differ the greater is that of the greater first part; where they are equal "
        "the rests are subtracted to 2^-53 of what is left, and 2^-40 of it are added",
    ),
    Rule(
        "exact/layers.py _Reader.read",
        r"0 <= kind < len\(KINDS\) → 0 <= kind <= len\(KINDS\)",
        "there is no such place among the kinds, which is an error, and refused",
    ),
    Rule(
        "exact/layers.py _Reader.(read|_conv)",
        ".* > self.room → .* >= self.room",
        "how much is held",
    ),
    Rule(
        "exact/layers.py _Reader._numbers",
        "(place >= 0 and count > 0 and .* → place >= 0 and place .*|count > 0 → count >= 0)",
        "filters and channels are positive by then",
    ),
    Rule(
        "exact/layers.py _Reader._windows",
        r"(place >= 0 .* → place >= 0 and terms > 0 and \(size > 0\)|place \+ terms .* → place - .*)",
        "what is cut from an array too short has no such shape, which is an error, and refused",
    ),
    Rule(
        "exact/layers.py _Reader._normalise",
        r"(not \(self.* or .* → not \(self[^>]*>= 0\)\.all\(\)|\(sums > 0\)\.all\(\) → .*|sums > 0 → .*)",
        "the root of nothing is 0, and of less no number: both are refused as divisors",
    ),
    Rule(
        "exact/layers.py _Reader._scaled",
        r"(if not \(divisor != 0\)\.all\(\) → never|\(divisor != 0\)\.all\(\) → .*)",
        "what is divided by 0 is not finite, which is refused next",
    ),
    Rule(
        "exact/layers.py _Reader._scaled",
        "asked > 1e-200 → asked >= 1e-200",
        "a factor of 10^-200 is far from where digits are lost",
    ),
    Rule(
        "exact/relaxing.py Relaxation.part",
        "self.layers.i..source < value → .* <= value",
        "what coefficients may be off by before a value is narrowed holds afterwards",
    ),
    Rule(
        "exact/relaxing.py Relaxation.below",
        "value in self._affine → value not in self._affine",
        "which lines are tried for kinks, of which any hold",
    ),
    Rule(
        "exact/relaxing.py Relaxation._narrow",
        "layer.source in self._affine → layer.source not in self._affine",
        "which ends are asked for: those that are not are wider",
    ),
    Rule(
        "exact/relaxing.py Relaxation._forward",
        r"np\.maximum\(high - centre, centre - low\) → .*",
        "the middle is off by u of itself, and 2 γ of 17 terms of it are counted",
    ),
    Rule(
        "exact/relaxing.py Relaxation._forward",
        r"1 \+ 4 \* U → 1 - 4 \* U",
        "γ of 16 more terms than there are is counted twice",
    ),
    Rule(
        "exact/relaxing.py Relaxation._below",
        "if v not in held → never",
        "a value that nobody takes is an error then, which proves nothing",
    ),
    Rule(
        "exact/pieces.py Walk._alike",
        r"len\(one\) != 3 or .* → len\((one|other)\) != 3 or one\[0\] .*",
        "names of two lengths have no entries to compare, which is an error and proves nothing",
    ),
    Rule(
        "exact/polytopes.py Part.signs",
        r"len\(told\) == 2 and .* → entries\.equal.*",
        "a segment has no edges that meet, which is an error and proves nothing",
    ),
)


def narrowed(pattern: str) -> Iterator[str]:
    """A pattern with one alternative in place of several, once for each: of (a|b)c with a, and with b."""
    depth, begin, bars = 0, 0, list[int]()
    for match in re.finditer(r"\\.|\[[^]]+\]|[()|]", pattern):
        at, sign = match.start(), match[0]
        depth += (sign == "(") - (sign == ")")
        if sign == "(" and depth == 1:
            begin, bars = at, []
        elif sign == "|" and depth == 1:
            bars.append(at)
        elif sign == ")" and depth == 0 and bars and pattern[begin + 1] != "?":
            for start, end in pairwise([begin, *bars, at]):
                yield f"{pattern[:begin]}(?:{pattern[start + 1 : end]}){pattern[at + 1 :]}"


def why(one: Mutant) -> str:
    """Why a mutant is harmless; nothing where no rule says so."""
    for rule in RULES:
        if re.fullmatch(rule.where, f"{one.file} {one.function}") and re.fullmatch(
            rule.change, f"{one.before} → {one.after}"
        ):
            return rule.reason
    return ""
