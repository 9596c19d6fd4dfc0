"""Gather what a report shows of a check by scattering from the provenance graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdsim.analysis.phonon_rows import ComparedDisplacements
from qdsim.debye.scans import Chi2Map
from qdsim.provenance import consistency
from qdsim.provenance.checks import outputs_of
from qdsim.report.data import Curve, DisplacementPattern, SampleFits

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode, XyData


def scattering_of(check: WorkChainNode | None) -> dict[str, Any]:
    """Return the fields of the report's data that a check by scattering fills; none where there is no check."""
    if check is None:
        return {}
    return {
        "consistency": consistency(check),
        "patterns": _patterns(check),
        "displacement_patterns": tuple(
            _displacement_pattern(pattern) for _, pattern in sorted(outputs_of(check, "displacement_patterns").items())
        ),
        "sample_fits": _sample_fits(check),
    }


def _patterns(check: WorkChainNode) -> dict[str, Curve]:
    return {label: curve_of(pattern) for label, pattern in outputs_of(check, "patterns").items()}


def curve_of(pattern: XyData) -> Curve:
    """Return what a node holds of a pattern."""
    (curve,) = _curves(pattern).values()
    return curve


def _curves(pattern: XyData) -> dict[str, Curve]:
    x = tuple(pattern.get_x()[1].tolist())
    amplitudes = pattern.base.attributes.get("amplitudes", {})
    return {name: Curve(x=x, y=tuple(values.tolist()), amplitudes=amplitudes) for name, values, _ in pattern.get_y()}


def _displacement_pattern(pattern: XyData) -> DisplacementPattern:
    compared = ComparedDisplacements(**pattern.base.attributes.get("displacements"))
    return DisplacementPattern(compared=compared, **_curves(pattern))


def _sample_fits(check: WorkChainNode) -> dict[str, SampleFits]:
    from qdsim.workflows.fit import read_result
    from qdsim.workflows.hypotheses import LABELS

    found = {}
    for label, fitted in outputs_of(check, "fits").items():
        measured = check.inputs.data[label].measured
        fits = {
            name: read_result(fitted[short]["result"], fitted[short]["curves"])
            for name, short in LABELS.items()
            if short in fitted
        }
        chi2_map = Chi2Map(**fitted["map"].get_dict()) if "map" in fitted else None
        found[measured["sample"]] = SampleFits(source=measured["file"], fits=fits, chi2_map=chi2_map)
    return found
