"""The exact shape of a trained image classifier's last hidden layer.

The names a user types are listed, with their modules, in the stub beside this file; each is loaded when
it is first used, so that ``import featgeom`` stays fast.

>>> import featgeom as fg
>>> fg.AffineHead([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]).classify([[2.0, 1.0]])
array([0])
"""

import lazy_loader

from featgeom._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
