"""The dipole moment of a sample: what computed clusters put on a particle of its size and offset."""

from collections.abc import Iterator, Mapping
from typing import cast

from qdsim.analysis.consistency_results import Row
from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.sample_values import Known, dipole_of_offset
from qdsim.analysis.scattering_fit import QUANTITIES
from qdsim.analysis.verdict import Judgement, judge

DIPOLE = "dipole"
CONDITION = "fitted size and offset"
NEEDED = {"diameter": "diameter", "pb_offset": "offset of the cations"}
"""What a dipole is computed for, by quantity of a fit."""


def dipole_rows(known: Mapping[str, Known], volume: Known, dipoles: DipoleAnalysis | None) -> Iterator[Row]:
    """Compare a sample's dipole with the computed effective charge times its cations and their offset.

    Parameters
    ----------
    known
        Of the sample, by quantity.
    volume
        Of a formula unit, Å^3, where the sample states none.
    dipoles
        What was computed of clusters; None where nothing was.

    Yields
    ------
    Row
        One where the sample states a dipole, or where what it states and what was computed give one.
    """
    measured = known.get(DIPOLE)
    missing = [words for name, words in NEEDED.items() if name not in known or known[name].limit]
    if dipoles is not None and dipoles.neutral_responses and not missing:
        charge = effective_charge(dipoles)
        computed = dipole_of_offset(charge, known["diameter"], known.get("volume", volume), known["pb_offset"])
        origin = f"the clusters carry {_charge(charge)} a cation"
        if measured is None:
            judgement = Judgement(None, None, None, "cannot say", f"the fit states no dipole; {origin}")
        else:
            judgement = judge(computed, measured, cast(float, QUANTITIES[DIPOLE].matters), QUANTITIES[DIPOLE].unit)
            judgement = judgement._replace(reason="; ".join(filter(None, [judgement.reason, origin])))
        yield Row.judged(DIPOLE, CONDITION, computed, measured, judgement)
    elif measured is not None:
        lack = "the campaign has no clusters to compare with"
        if dipoles is not None:
            lack = (
                f"the fit states no {' and no '.join(missing)}"
                if missing
                else "no neutral particle has dipoles at two offsets"
            )
        yield Row.judged(DIPOLE, "", None, measured, Judgement(None, None, None, "cannot say", lack))


def effective_charge(dipoles: DipoleAnalysis) -> Known:
    """Return the charge of a cation by the largest particle, e; as its error, how far the particles are apart.

    Of neutral particles only.
    """
    responses = dipoles.neutral_responses.values()
    charges = [response.effective_charge for response in responses]
    largest = max(responses, key=lambda response: response.n_cations)
    return Known(largest.effective_charge, (max(charges) - min(charges)) / 2 if len(charges) > 1 else None)


def _charge(charge: Known) -> str:
    return f"{charge.value:.2f} e" if charge.error is None else f"{charge.value:.2f} ± {charge.error:.2f} e"
