"""Gather what a report shows of a check by scattering from the provenance graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdsim.debye.scans import Chi2Map
from qdsim.provenance import consistency
from qdsim.report.data import Curve, SampleFits

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


def scattering_of(check: WorkChainNode | None) -> dict[str, Any]:
    """Return the fields of the report's data that a check by scattering fills; none where there is no check."""
    if check is None:
        return {}
    return {"consistency": consistency(check), "patterns": _patterns(check), "sample_fits": _sample_fits(check)}


def nodes_of_scattering(check: WorkChainNode | None) -> dict[str, str]:
    """Return the UUID of the node behind each part of a check, by the part's path."""
    if check is None:
        return {}
    nodes = {"scattering": check.uuid}
    if "consistency" in check.outputs:
        nodes["consistency"] = check.outputs.consistency.uuid
    for label, pattern in _namespace(check, "patterns").items():
        nodes[f"patterns.{label}"] = pattern.uuid
    for label, fitted in _namespace(check, "fits").items():
        sample = check.inputs.data[label].measured["sample"]
        for name, node in fitted.items():
            nodes[f"fits.{sample}.{name}"] = node.uuid if name == "map" else node["result"].uuid
    return nodes


def _patterns(check: WorkChainNode) -> dict[str, Curve]:
    curves = {}
    for label, pattern in _namespace(check, "patterns").items():
        ((_, intensity, _),) = pattern.get_y()
        curves[label] = Curve(x=tuple(pattern.get_x()[1].tolist()), y=tuple(intensity.tolist()))
    return curves


def _sample_fits(check: WorkChainNode) -> dict[str, SampleFits]:
    from qdsim.workflows.fit import read_result
    from qdsim.workflows.hypotheses import LABELS

    found = {}
    for label, fitted in _namespace(check, "fits").items():
        measured = check.inputs.data[label].measured
        fits = {
            name: read_result(fitted[short]["result"], fitted[short]["curves"])
            for name, short in LABELS.items()
            if short in fitted
        }
        chi2_map = Chi2Map(**fitted["map"].get_dict()) if "map" in fitted else None
        found[measured["sample"]] = SampleFits(source=measured["file"], fits=fits, chi2_map=chi2_map)
    return found


def _namespace(check: WorkChainNode, name: str) -> dict[str, Any]:
    return dict(check.outputs[name]) if name in check.outputs else {}
