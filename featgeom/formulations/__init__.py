"""Every question as a convex program that reads like its mathematics: to read, change, and solve elsewhere.

Each function returns a `cvxpy.Problem` with named variables and parameters. Call its ``solve()``; the
variables are in ``problem.var_dict``. A parameter may be given another value and the problem solved again
without being built anew (it is DPP, in cvxpy's terms): ``problem.param_dict["z"].value = other``.

>>> from featgeom import AffineHead, formulations
>>> head = AffineHead([[1.0, 0.0], [0.0, 1.0]])
>>> problem = formulations.flip(head, [3.0, 0.0], target=1, norm=1)
>>> round(float(problem.solve()), 6)
3.0
"""

from featgeom.formulations.cells import boundary as boundary
from featgeom.formulations.cells import cell_in_hull as cell_in_hull
from featgeom.formulations.cells import chebyshev as chebyshev
from featgeom.formulations.cells import emptiness as emptiness
from featgeom.formulations.cells import facet as facet
from featgeom.formulations.cells import flip as flip
from featgeom.formulations.cells import inflation as inflation
from featgeom.formulations.cells import lead as lead
from featgeom.formulations.cells import tie as tie
from featgeom.formulations.hulls import common_region as common_region
from featgeom.formulations.hulls import enclosing_ball as enclosing_ball
from featgeom.formulations.hulls import membership as membership
from featgeom.formulations.hulls import projection as projection
from featgeom.formulations.hulls import separation as separation
from featgeom.formulations.hulls import support as support
from featgeom.formulations.machines import machine as machine
from featgeom.formulations.shared import length as length
