# The names that users type, one line a module. `featgeom/__init__.py` loads them from here on first use.
from ._version import __version__ as __version__
from .data.images import ImageSet as ImageSet
from .data.sources import load_images as load_images
from .data.sources import load_splits as load_splits
from .errors import FeatgeomError as FeatgeomError
from .features.extraction import extract as extract
from .features.features import FeatureSet as FeatureSet
from .features.features import load_features as load_features
from .features.store import open_features as open_features
from .head import AffineHead as AffineHead
from .models.checkpoints import save_checkpoint as save_checkpoint
from .models.classifier import Classifier as Classifier
from .models.pixel_spec import PixelSpec as PixelSpec
from .models.sources import load_classifier as load_classifier
from .regions.cells import Cells as Cells
from .regions.domains import Box as Box
from .status import Status as Status
