# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .errors import FeatgeomError as FeatgeomError
from .head import AffineHead as AffineHead
from .regions.cells import Cells as Cells
from .regions.domains import Box as Box
from .status import Status as Status
