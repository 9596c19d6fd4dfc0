"""The results document of a consistency check between density functional theory and scattering fits."""

from typing import Any, Literal, Self

from pydantic import Field

from qdsim.analysis.lattice_series import LatticeEstimate
from qdsim.analysis.model import ResultModel
from qdsim.analysis.sample_values import Known
from qdsim.analysis.scattering_fit import Tolerances
from qdsim.analysis.verdict import Judgement, Verdict, best, worst

Reference = Literal["relative", "absolute"]

OCCUPANCY = "occupancy_"
"""How the quantities begin whose rows are alternatives: of hosts and reservoirs, of which a sample has one."""


class CheckSettings(ResultModel):
    """How computed and measured lattices are compared.

    Attributes
    ----------
    compound
        Of what was computed.
    reference
        "relative": each against its own bulk. A measured volume is a strain against the bulk's, the computed lattice is
        the one of that strain against the computed equilibrium, and its lengths are scaled by the ratio of the two bulk
        lattice constants. "absolute": the computed lattice of the measured volume itself, its lengths as they are; then
        the error of the functional in the lattice constant counts as a strain.
    bulk_lattice_constant, bulk_source
        Of the measured bulk, Å, where the fits do not state one.
    tolerances
        By quantity, in place of those of the fits.
    reservations
        Of the computed series, to be told with the verdicts; one sentence each.
    """

    compound: str
    reference: Reference = "relative"
    bulk_lattice_constant: float = Field(gt=0)
    bulk_source: str = ""
    tolerances: Tolerances = Field(default_factory=dict)
    reservations: list[str] = Field(default_factory=list)


class Condition(ResultModel):
    """At which strain the computed lattice is compared with a sample.

    Attributes
    ----------
    name
        "measured volume": at the strain of the sample's volume; "Laplace tension": at 4 gamma/D; "given structure": one
        computed structure as it is.
    description
        What the strain follows from, in words.
    linear_strain, linear_strain_error
        Of the computed lattice, fractions; without an error, where nobody has stated one, nothing is decided here.
    pressure, pressure_error
        GPa; the error only where the pressure is what is given.
    limit
        "lower" or "upper" where the strain is only a bound.
    lattice
        The computed lattice, its lengths scaled as `CheckSettings.reference` says.
    """

    name: Literal["measured volume", "Laplace tension", "given structure"]
    description: str
    linear_strain: float | None
    linear_strain_error: float | None
    pressure: float | None
    pressure_error: float | None = None
    limit: Literal["lower", "upper"] | None = None
    lattice: LatticeEstimate


class Row(ResultModel):
    """One comparison.

    Attributes
    ----------
    quantity, condition
        What is compared, and at which condition; an empty one where it does not matter. Of an occupancy, the host and
        the reservoir.
    computed, computed_error, measured, measured_error
        The values in the unit of the quantity; None where there is none.
    limit, computed_limit
        "lower" or "upper" where the measured, or the computed value is only a bound.
    assumed
        The measured error rests on a tolerance that was chosen.
    difference, error, standard_errors
        Measured minus computed, its standard error, and their ratio.
    verdict, reason
        In a word, and in a sentence.
    extrapolated
        The computed value lies outside of the strains computed.
    points
        Labels of the strain points that the computed value rests on.
    source
        Of the measured value.
    """

    quantity: str
    condition: str
    computed: float | None = None
    computed_error: float | None = None
    measured: float | None = None
    measured_error: float | None = None
    limit: Literal["lower", "upper"] | None = None
    computed_limit: Literal["lower", "upper"] | None = None
    assumed: bool = False
    difference: float | None = None
    error: float | None = None
    standard_errors: float | None = None
    verdict: Verdict
    reason: str
    extrapolated: bool = False
    points: list[str] = Field(default_factory=list)
    source: str = ""

    @classmethod
    def judged(
        cls, quantity: str, condition: str, computed: Known | None, measured: Known | None, judgement: Judgement
    ) -> Self:
        """Return the row of a judgement on two values, either of which may be missing."""
        found: dict[str, Any] = {}
        if computed is not None:
            found |= {"computed": computed.value, "computed_error": computed.error}
        if measured is not None:
            found |= {
                "measured": measured.value,
                "measured_error": measured.error,
                "limit": measured.limit,
                "assumed": measured.assumed,
                "source": measured.source,
            }
        return cls(quantity=quantity, condition=condition, **found, **judgement._asdict())


class PatternFit(ResultModel):
    """A model fitted to a sample's pattern.

    Attributes
    ----------
    name
        Of the model.
    alpha_rh, pb_offset
        Its distortion, degrees and Å.
    chi2, chi2_reduced, gof, r_wp
        As in a fit.
    chi2_difference, standard_errors
        chi^2 above that of the free model, and the standard errors that this amounts to.
    converged
        The search ended by itself.
    """

    name: str
    alpha_rh: float
    pb_offset: float
    chi2: float
    chi2_reduced: float
    gof: float
    r_wp: float
    chi2_difference: float
    standard_errors: float
    converged: bool


class PatternCheck(ResultModel):
    """Models of a sample's pattern, with and without the computed distortion.

    Attributes
    ----------
    source
        Name of the data.
    condition
        At which the computed distortion was taken.
    fits
        The models.
    verdict, reason
        In a word, and in a sentence.
    messages
        Reservations, one sentence each.
    """

    source: str
    condition: str
    fits: list[PatternFit]
    verdict: Verdict
    reason: str
    messages: list[str] = Field(default_factory=list)


class SampleCheck(ResultModel):
    """Everything that was compared of one sample.

    Attributes
    ----------
    name, diameter
        Of the sample; Å where known.
    conditions
        Where the computed lattice was taken.
    rows
        The comparisons.
    pattern
        Of the sample's raw data, where there are any.
    sentences
        What the rows say together.
    """

    name: str
    diameter: float | None
    conditions: list[Condition]
    rows: list[Row]
    pattern: PatternCheck | None = None
    sentences: list[str] = Field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of all verdicts, with the best one on each occupancy, whose rows are alternatives."""
        others = [row.verdict for row in self.rows if not row.quantity.startswith(OCCUPANCY)]
        occupancies = {row.quantity for row in self.rows if row.quantity.startswith(OCCUPANCY)}
        alternatives = [best(row.verdict for row in self.rows if row.quantity == name) for name in occupancies]
        return worst([*others, *alternatives, *([self.pattern.verdict] if self.pattern else [])])


class Consistency(ResultModel):
    """A consistency check.

    Attributes
    ----------
    compound, reference, source
        What was compared, how, and the citation of the fits.
    computed_lattice_constant, bulk_lattice_constant, bulk_source
        Equilibrium of the computed series, None for a single structure, and the measured bulk, Å.
    samples
        The samples.
    notes
        What the numbers rest on, one sentence each.
    """

    compound: str
    reference: Reference
    source: str = ""
    computed_lattice_constant: float | None
    bulk_lattice_constant: float
    bulk_source: str
    samples: list[SampleCheck]
    notes: list[str] = Field(default_factory=list)
    schema_version: int = 1
