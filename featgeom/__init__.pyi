# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .errors import FeatgeomError as FeatgeomError
from .head import AffineHead as AffineHead
from .margins.collapse import NeuralCollapse as NeuralCollapse
from .margins.collapse import neural_collapse as neural_collapse
from .status import Status as Status
