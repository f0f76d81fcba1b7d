# The public names; `optlab/__init__.py` loads each from here on first use. One line a method.
from .analysis.certify import certify as certify
from .analysis.plan import plan as plan
from .analysis.solve import solve as solve
from .analysis.verify import verify as verify
from .analysis.worst_case import worst_case as worst_case
from .fold import average as average
from .fold import best as best
from .fold import field as field
from .fold import last as last
from .fold import pairs as pairs
from .fold import weighted as weighted
from .gradient.descent import gradient_descent as gradient_descent
from .guarantee import Case as Case
from .guarantee import Control as Control
from .guarantee import Guarantee as Guarantee
from .guarantee import cite as cite
from .guarantee import now as now
from .guarantee import start as start
from .guarantee import total as total
from .measures import Measure as Measure
from .measures import measure as measure
from .measures import sq_distance as sq_distance
from .measures import sq_gradient as sq_gradient
from .measures import sq_operator as sq_operator
from .measures import sq_residual as sq_residual
from .measures import suboptimality as suboptimality
from .methods import Method as Method
from .methods import Stopped as Stopped
from .methods import guarantees as guarantees
from .methods import method as method
from .rng import Branches as Branches
from .rng import Stream as Stream
from .running import StopReason as StopReason
from .running import Trace as Trace
from .running import run as run

__version__: str
