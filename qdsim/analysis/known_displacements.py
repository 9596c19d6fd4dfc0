"""Displacement parameters of a compound from elsewhere, beside those of its phonons."""

from collections.abc import Iterator, Sequence

from pydantic import Field, PositiveFloat

from qdsim.analysis.model import ResultModel
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononRow


class KnownDisplacements(ResultModel):
    """What one source states of a compound."""

    label: str = Field(description="A few words, which say whether they are measured.")
    source: str
    b_iso: dict[PositiveFloat, dict[str, PositiveFloat]] = Field(description="By temperature, K, and element, Å^2.")


def beside_known(
    analysis: PhononAnalysis, known: Sequence[KnownDisplacements], elements: tuple[str, str]
) -> Iterator[str]:
    """Put the displacement parameters of the stable crystal nearest to rest beside those from elsewhere, in sentences.

    Parameters
    ----------
    analysis
        Of the phonons; its temperature is that of the comparison.
    known
        By source; those at another temperature are left out.
    elements
        Cation and anion.

    Yields
    ------
    str
        One for each source.
    """
    row = _nearest_to_rest(analysis)
    for one in known:
        stated = one.b_iso.get(analysis.temperature)
        if row is None or row.b_iso is None or stated is None:
            continue
        computed = " and ".join(f"{row.b_iso[element]:.2f}" for element in elements)
        compared = " and ".join(f"{stated[element]:.2f}" for element in elements)
        yield (
            f"B of {' and '.join(elements)} at {analysis.temperature:g} K: {computed} Å² of {row.label} "
            f"(a = {row.lattice_constant:.3f} Å), {compared} Å² {one.label} ({one.source})."
        )


def _nearest_to_rest(analysis: PhononAnalysis) -> PhononRow | None:
    stable = [row for row in analysis.rows if row.b_iso is not None and row.centred]
    return min(stable, key=lambda row: abs(row.linear_strain or 0.0), default=None)
