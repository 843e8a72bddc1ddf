# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .errors import FeatgeomError as FeatgeomError
from .head import AffineHead as AffineHead
from .hulls.hull import ConvexHull as ConvexHull
from .hulls.separation import separate as separate
from .hulls.separation import separate_all as separate_all
from .status import Status as Status
