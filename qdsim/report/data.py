"""What a report is made from: the results, the structures and the nodes behind them."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from qdsim.analysis.consistency_results import Consistency
from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.dipole_results import DipoleResults
from qdsim.analysis.ferroelectric import StrainPoint, StrainResults
from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.analysis.phonon_rows import ComparedDisplacements
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.analysis.vacancy_results import VacancyResults
from qdsim.debye.amplitude_sources import AmplitudeSource
from qdsim.debye.fit_result import FitResult
from qdsim.debye.scans import Chi2Map

Vector = tuple[float, float, float]

WHOLE_RESULT = "results"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Structure(_Record):
    """A periodic structure in plain numbers.

    Attributes
    ----------
    symbols
        Chemical symbols, one an atom.
    positions
        Cartesian positions, Å, one row an atom.
    cell
        Cell vectors, Å, as rows.
    """

    symbols: Annotated[tuple[str, ...], Field(min_length=1)]
    positions: tuple[Vector, ...]
    cell: tuple[Vector, Vector, Vector]

    @model_validator(mode="after")
    def _one_position_an_atom(self) -> Self:
        if len(self.symbols) != len(self.positions):
            raise ValueError(f"{len(self.symbols)} symbols but {len(self.positions)} positions")
        return self


class Curve(_Record):
    """A curve over Q: Å^-1, and intensities; and what each element was taken to scatter with."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    amplitudes: dict[str, AmplitudeSource] = {}


class DisplacementPattern(_Record):
    """What a sample scatters with displacement parameters of two origins."""

    compared: ComparedDisplacements
    fitted: Curve
    phonons: Curve


class SampleFits(_Record):
    """What was fitted to the measured pattern of a sample.

    Attributes
    ----------
    source
        Name of the data.
    fits
        Models by their names.
    chi2_map
        chi^2 over angle and offset, where there is one.
    """

    source: str
    fits: Mapping[str, FitResult]
    chi2_map: Chi2Map | None = None


class PointStructures(_Record):
    """The structures of one strain point; None where the phase was not reached."""

    centred: Structure | None = None
    relaxed: Structure | None = None


class Reference(_Record):
    """A value from elsewhere (experiment, a paper), drawn as a labelled mark and never mixed with results.

    Attributes
    ----------
    quantity
        What the value is; decides the figures it appears in.
    value, error
        In Å (lattice constant, offset) or degrees (alpha_rh).
    label
        Short text at the mark, such as "experiment, 300 K".
    source
        Citation, shown in the settings.
    """

    quantity: Literal["lattice_constant", "alpha_rh", "pb_offset"]
    value: float
    error: float | None = None
    label: str
    source: str = ""


class Effort(_Record):
    """What the campaign cost: numbers of CP2K calculations and their time in seconds."""

    computed: Annotated[int, Field(ge=0)] = 0
    reused: Annotated[int, Field(ge=0)] = 0
    wall_time: Annotated[float, Field(ge=0)] | None = None
    cpu_time: Annotated[float, Field(ge=0)] | None = None


class ReportData(_Record):
    """Everything a report shows.

    Attributes
    ----------
    title
        Heading of the page.
    campaign
        Name of the campaign.
    created
        When the report was made; any time zone, shown in UTC.
    qdsim_version, code_version
        Versions of this package and of CP2K ("CP2K 2023.1").
    status
        One line on the campaign as a whole, such as "finished" or "finished, 1 of 7 points failed".
    failures
        One sentence a failure that belongs to no strain point (those carry their own).
    settings
        Nested mapping shown as a table: protocol, cutoff, k-points, basis sets, template...
    strain
        The strain series, or None where the campaign ended before it had one.
    structures
        Structures by the label of their strain point.
    nodes
        UUID of the AiiDA node behind a value, by the value's path in the results: "equation_of_state",
        "points.p0p0200.relaxed", "points.p0p0200.relaxed.structure", "points.p0p0200.double_well"...; of vacancies
        "vacancies", "vacancies.<host>.host", "vacancies.<host>.<label>.relaxed", "vacancies.element_Pb"...
        A value without an entry of its own belongs to the nearest path that encloses it, and in the end to
        "results", the results as a whole.
    references
        Values from elsewhere, drawn as labelled marks.
    effort
        Number of calculations and their time.
    consistency
        Verdicts on the strain series by scattering, or None where it was not checked.
    patterns
        Computed patterns of the structures by strain point and phase, such as "linear_p0p0200_relaxed".
    sample_fits
        Fits of measured patterns by sample.
    vacancies
        What was computed of vacancies, with the reasons why some are missing, or None where there is nothing.
    vacancy_analysis
        What follows from it, with the same reasons.
    vacancy_structures
        Relaxed structures by the label of their host: "host" is the host itself, the others are its vacancies by
        the label of their process, their atoms in the host's order.
    dipoles
        What was computed of clusters, with the reasons why some are missing, or None where there is nothing.
    dipole_analysis
        What follows from it, with the same reasons.
    cluster_structures
        Clusters by their label, each in its cell.
    cluster_patterns
        What they scatter, by their label.
    phonons
        Lattice dynamics.
    phonon_analysis
        What follows from it.
    displacement_patterns
        What samples scatter with their fitted B, and with that of phonons.
    known_displacements
        B of the compound from elsewhere.
    """

    title: str
    campaign: str
    created: AwareDatetime
    qdsim_version: str
    code_version: str | None = None
    status: str
    failures: tuple[str, ...] = ()
    settings: Mapping[str, JsonValue] = Field(default_factory=dict)
    strain: StrainResults | None = None
    structures: Mapping[str, PointStructures] = Field(default_factory=dict)
    nodes: Mapping[str, str] = Field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    effort: Effort = Effort()
    consistency: Consistency | None = None
    patterns: Mapping[str, Curve] = Field(default_factory=dict)
    sample_fits: Mapping[str, SampleFits] = Field(default_factory=dict)
    vacancies: VacancyResults | None = None
    vacancy_analysis: VacancyAnalysis | None = None
    vacancy_structures: Mapping[str, Mapping[str, Structure]] = Field(default_factory=dict)
    dipoles: DipoleResults | None = None
    dipole_analysis: DipoleAnalysis | None = None
    cluster_structures: Mapping[str, Structure] = Field(default_factory=dict)
    cluster_patterns: Mapping[str, Curve] = Field(default_factory=dict)
    phonons: PhononResults | None = None
    phonon_analysis: PhononAnalysis | None = None
    displacement_patterns: tuple[DisplacementPattern, ...] = ()
    known_displacements: tuple[KnownDisplacements, ...] = ()


def node_behind(nodes: Mapping[str, str], path: str) -> str | None:
    """Return the UUID of the node that holds a value.

    Parameters
    ----------
    nodes
        UUIDs by path, as in `ReportData.nodes`.
    path
        Dotted path of the value, such as "points.p0p0200.relaxed.alpha_rh".

    Returns
    -------
    str or None
        The UUID at the path itself or at the nearest path that encloses it, else that of "results".
    """
    parts = path.split(".")
    enclosing = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    found = next((nodes[candidate] for candidate in enclosing if candidate in nodes), None)
    return found if found is not None else nodes.get(WHOLE_RESULT)


def points_by_strain(results: StrainResults) -> list[StrainPoint]:
    """Return the strain points by increasing linear strain, whatever the order they were asked for in."""
    return sorted(results.points, key=lambda point: point.linear_strain)
