# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .boundaries.ambiguity import Ambiguity as Ambiguity
from .boundaries.ambiguity import ambiguity as ambiguity
from .boundaries.crossings import Crossings as Crossings
from .boundaries.crossings import crossings as crossings
from .boundaries.directions import direction_spectrum as direction_spectrum
from .boundaries.flips import flip_points as flip_points
from .boundaries.planes import Plane as Plane
from .boundaries.slices import SlicePartition as SlicePartition
from .boundaries.slices import slice_cells as slice_cells
from .boundaries.ties import FlipPoints as FlipPoints
from .boundaries.ties import tie_points as tie_points
from .errors import FeatgeomError as FeatgeomError
from .head import AffineHead as AffineHead
from .status import Status as Status
