# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .boundaries.crossings import Crossings as Crossings
from .boundaries.crossings import crossings as crossings
from .boundaries.flips import flip_points as flip_points
from .boundaries.ties import FlipPoints as FlipPoints
from .boundaries.ties import tie_points as tie_points
from .errors import FeatgeomError as FeatgeomError
from .head import AffineHead as AffineHead
from .status import Status as Status
