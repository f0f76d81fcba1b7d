"""Assumptions: what a theorem asks of a problem and what a problem promises, with the constants in the field's letters.

A guarantee names assumption *classes* (``assumes=(Convex, Smooth)``); a problem declares *instances*
(``Smooth(L=3.2)``); ``worst_case`` takes instances and turns them into a function class of the SDP.
"""

from .agents import (
    CocoerciveAgents as CocoerciveAgents,
)
from .agents import (
    ContractiveMessages as ContractiveMessages,
)
from .agents import (
    GossipMatrix as GossipMatrix,
)
from .agents import (
    Heterogeneity as Heterogeneity,
)
from .agents import (
    MixingMatrix as MixingMatrix,
)
from .agents import (
    PLMean as PLMean,
)
from .agents import (
    QuadraticAgents as QuadraticAgents,
)
from .agents import (
    SingleAgent as SingleAgent,
)
from .agents import (
    SmoothAgents as SmoothAgents,
)
from .agents import (
    SmoothMean as SmoothMean,
)
from .agents import (
    StronglyConvexMean as StronglyConvexMean,
)
from .base import Assumption as Assumption
from .functions import (
    PL as PL,
)
from .functions import (
    AbsoluteGradientError as AbsoluteGradientError,
)
from .functions import (
    ApproximateDualProx as ApproximateDualProx,
)
from .functions import (
    ApproximateProx as ApproximateProx,
)
from .functions import (
    BlockSmooth as BlockSmooth,
)
from .functions import (
    BoundedPayoffs as BoundedPayoffs,
)
from .functions import (
    BregmanKernel as BregmanKernel,
)
from .functions import (
    Chain as Chain,
)
from .functions import (
    Compact as Compact,
)
from .functions import (
    Convex as Convex,
)
from .functions import (
    CutForm as CutForm,
)
from .functions import (
    DifferenceOfConvex as DifferenceOfConvex,
)
from .functions import (
    DualMoment as DualMoment,
)
from .functions import (
    DualVariance as DualVariance,
)
from .functions import (
    EffectiveCurvature as EffectiveCurvature,
)
from .functions import (
    EpsilonSubgradients as EpsilonSubgradients,
)
from .functions import (
    ErrorBound as ErrorBound,
)
from .functions import (
    ExactGradient as ExactGradient,
)
from .functions import (
    GeometricChain as GeometricChain,
)
from .functions import (
    InsidePolytope as InsidePolytope,
)
from .functions import (
    LinearComposition as LinearComposition,
)
from .functions import (
    Lipschitz as Lipschitz,
)
from .functions import (
    LipschitzHessian as LipschitzHessian,
)
from .functions import (
    LipschitzMirror as LipschitzMirror,
)
from .functions import (
    LipschitzThirdDerivative as LipschitzThirdDerivative,
)
from .functions import (
    LogBarrier as LogBarrier,
)
from .functions import (
    LowerBounded as LowerBounded,
)
from .functions import (
    PSDForm as PSDForm,
)
from .functions import (
    QuadraticForm as QuadraticForm,
)
from .functions import (
    QuadraticPart as QuadraticPart,
)
from .functions import (
    QuadraticUpperBound as QuadraticUpperBound,
)
from .functions import (
    RelativeGradientError as RelativeGradientError,
)
from .functions import (
    RelativelySmooth as RelativelySmooth,
)
from .functions import (
    RestrictedSecant as RestrictedSecant,
)
from .functions import (
    SkewComposition as SkewComposition,
)
from .functions import (
    Smooth as Smooth,
)
from .functions import (
    SmoothInMatrix as SmoothInMatrix,
)
from .functions import (
    SmoothOnSimplex as SmoothOnSimplex,
)
from .functions import (
    SmoothPart as SmoothPart,
)
from .functions import (
    StronglyConvex as StronglyConvex,
)
from .functions import (
    StronglyConvexInMatrix as StronglyConvexInMatrix,
)
from .functions import (
    StronglyConvexKernel as StronglyConvexKernel,
)
from .functions import (
    StronglyConvexPart as StronglyConvexPart,
)
from .functions import (
    SymmetricComposition as SymmetricComposition,
)
from .functions import (
    WeaklyConvex as WeaklyConvex,
)
from .operators import (
    AttainedDisplacement as AttainedDisplacement,
)
from .operators import (
    AveragedOperator as AveragedOperator,
)
from .operators import (
    BestApproximation as BestApproximation,
)
from .operators import (
    Cocoercive as Cocoercive,
)
from .operators import (
    CocoerciveG as CocoerciveG,
)
from .operators import (
    Coherent as Coherent,
)
from .operators import (
    Contractive as Contractive,
)
from .operators import (
    ConvexFeasibility as ConvexFeasibility,
)
from .operators import (
    ConvexPair as ConvexPair,
)
from .operators import (
    ConvexTriple as ConvexTriple,
)
from .operators import (
    FixedPoint as FixedPoint,
)
from .operators import (
    LipschitzG as LipschitzG,
)
from .operators import (
    LipschitzOperator as LipschitzOperator,
)
from .operators import (
    Monotone as Monotone,
)
from .operators import (
    MonotonePair as MonotonePair,
)
from .operators import (
    MonotoneTriple as MonotoneTriple,
)
from .operators import (
    NegativelyComonotone as NegativelyComonotone,
)
from .operators import (
    Nonexpansive as Nonexpansive,
)
from .operators import (
    StronglyConvexQ as StronglyConvexQ,
)
from .operators import (
    StronglyMonotone as StronglyMonotone,
)
from .operators import (
    StronglyMonotoneF as StronglyMonotoneF,
)
from .operators import (
    Subspaces as Subspaces,
)
from .operators import (
    UnitRotation as UnitRotation,
)
from .operators import (
    ZeroOfOperator as ZeroOfOperator,
)
from .sums import (
    AlternatingLosses as AlternatingLosses,
)
from .sums import (
    BoundedMoment as BoundedMoment,
)
from .sums import (
    BoundedVariance as BoundedVariance,
)
from .sums import (
    ConvexTerms as ConvexTerms,
)
from .sums import (
    EqualCurvature as EqualCurvature,
)
from .sums import (
    GaussianLaw as GaussianLaw,
)
from .sums import (
    Interpolation as Interpolation,
)
from .sums import (
    LinearLosses as LinearLosses,
)
from .sums import (
    LipschitzLosses as LipschitzLosses,
)
from .sums import (
    LipschitzTerms as LipschitzTerms,
)
from .sums import (
    LowerGrowth as LowerGrowth,
)
from .sums import (
    NoiseAtSolution as NoiseAtSolution,
)
from .sums import (
    OnTheLine as OnTheLine,
)
from .sums import (
    PeriodThree as PeriodThree,
)
from .sums import (
    SmoothTerms as SmoothTerms,
)
from .sums import (
    SmoothTermsPart as SmoothTermsPart,
)
from .sums import (
    StronglyConvexLosses as StronglyConvexLosses,
)
from .sums import (
    StronglyConvexLower as StronglyConvexLower,
)
from .sums import (
    StronglyConvexTerms as StronglyConvexTerms,
)
from .sums import (
    StronglyConvexTermsPart as StronglyConvexTermsPart,
)
from .sums import (
    Terms as Terms,
)
