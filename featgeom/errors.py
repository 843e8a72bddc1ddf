"""The one family of errors that featgeom raises.

Every message is one line that names what was wrong, where, and what would be right.
"""


class FeatgeomError(Exception):
    """Anything that featgeom refuses to do, or could not do."""


class BadArgument(FeatgeomError, ValueError):
    """A value that was passed has the wrong shape, type, range or name."""


class BadData(FeatgeomError):
    """Images, labels or features that are missing, damaged or do not fit together."""


class BadCheckpoint(FeatgeomError):
    """A checkpoint that is missing, damaged, unsafe to read or made for another architecture."""


class NoAffineHead(FeatgeomError):
    """The logits are not an affine function of any hidden layer."""


class DidNotConverge(FeatgeomError):
    """A computation ended without the precision asked for, where a partial answer has no use."""


class Unsupported(FeatgeomError):
    """Something that featgeom, or this installation of it, does not do."""


def nearest_name(name: str, known: list[str]) -> str:
    """The end of an error line for an unknown name: the nearest known one, or all of them.

    >>> nearest_name("cifar_resnet21", ["cifar_resnet20", "digits_cnn"])
    "; did you mean 'cifar_resnet20'?"
    """
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return "; known: " + ", ".join(sorted(known))
