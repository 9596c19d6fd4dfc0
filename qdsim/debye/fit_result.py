"""What a fit has found, as a document."""

from pydantic import BaseModel, ConfigDict

from qdsim.debye.amplitude_sources import AmplitudeSource
from qdsim.debye.misfit import Misfit
from qdsim.debye.models import NanocrystalModel


class FittedParameter(BaseModel):
    """A parameter after a fit.

    Attributes
    ----------
    value, error
        Value and standard error; the error is None where the data do not determine the parameter (it would exceed the
        whole range of sensible values), or it stopped at a bound.
    unit
        Unit of both.
    start, low, high
        Where the search began, and the bounds it kept within.
    at_bound
        The search stopped at a bound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    error: float | None
    unit: str
    start: float
    low: float
    high: float
    at_bound: bool


class FittedCurve(BaseModel):
    """What every fit of a pattern says of it, whatever the model.

    Attributes
    ----------
    parameters
        The varied parameters.
    scale, scale_error
        Factor from electrons squared per particle to the data.
    background
        Coefficients of the Chebyshev polynomials on the range of Q scaled to -1..1.
    blank_factor
        Factor of the blank, or None where there is none.
    n_points, n_parameters
        Numbers of points and of all fitted numbers, linear ones included.
    chi2
        Sum of squared weighted differences.
    chi2_reduced
        chi2/(n_points - n_parameters): Debussy's chi^2.
    gof
        Its square root.
    r_wp
        Weighted profile R factor, sqrt(chi2/sum of squared weighted data).
    converged
        The search ended by itself.
    misfit
        What the model leaves of the data beside noise; errors are widened by it. None in documents that were written
        before it was told, whose errors are those of noise.
    messages
        Every reservation, one sentence each, a misfit first.
    amplitudes
        What each element was taken to scatter with, by its symbol; empty in documents of earlier versions.
    q, observed, sigma, calculated, background_curve
        The pattern, Å^-1 and in the unit of the data; `calculated` includes the background.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    parameters: dict[str, FittedParameter]
    scale: float
    scale_error: float | None
    background: list[float]
    blank_factor: float | None
    n_points: int
    n_parameters: int
    chi2: float
    chi2_reduced: float
    gof: float
    r_wp: float
    converged: bool
    misfit: Misfit | None = None
    messages: list[str]
    amplitudes: dict[str, AmplitudeSource] = {}
    q: list[float]
    observed: list[float]
    sigma: list[float] | None
    calculated: list[float]
    background_curve: list[float]


class FitResult(FittedCurve):
    """A fit of a nanocrystal model.

    Attributes
    ----------
    model
        The model with the fitted values.
    correlation
        Correlation matrix in the order of `parameters`; zero with those that have no error.
    aic, bic
        Akaike's and the Bayesian information criterion of a model that describes the data, chi2 + 2 P and
        chi2 + P ln N; without uncertainties N ln(chi2/N) stands for chi2. `qdsim.debye.compare` knows misfit.
    core_diameter
        Å; the diameter where there is no shell.
    composition
        Mean numbers of cations and anions in a particle, vacancies left out.
    coverage
        Monovalent ligands per nm^2 that balance their charge.
    """

    model: NanocrystalModel
    correlation: list[list[float]]
    aic: float
    bic: float
    core_diameter: float
    composition: tuple[float, float]
    coverage: float
