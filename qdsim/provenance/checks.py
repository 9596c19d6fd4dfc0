"""Checks by scattering: their verdicts, and the nodes behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdsim.analysis.consistency_results import Consistency

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


def consistency(check: WorkChainNode) -> Consistency | None:
    """Return the verdicts of a check by scattering, or None where there are none."""
    if "consistency" not in check.outputs:
        return None
    return Consistency(**check.outputs.consistency.get_dict())


def nodes_of_check(check: WorkChainNode) -> dict[str, str]:
    """Return the UUID of the node behind each part of a check, by the part's path."""
    nodes = {"scattering": check.uuid}
    if "consistency" in check.outputs:
        nodes["consistency"] = check.outputs.consistency.uuid
    for label, pattern in outputs_of(check, "patterns").items():
        nodes[f"patterns.{label}"] = pattern.uuid
    for label, pattern in outputs_of(check, "displacement_patterns").items():
        nodes[f"displacement_patterns.{label}"] = pattern.uuid
    for label, fitted in outputs_of(check, "fits").items():
        sample = check.inputs.data[label].measured["sample"]
        for name, node in sorted(fitted.items()):
            nodes[f"fits.{sample}.{name}"] = node.uuid if name == "map" else node["result"].uuid
    return nodes


def outputs_of(check: WorkChainNode, namespace: str) -> dict[str, Any]:
    """Return what a check has put out in a namespace, by label."""
    return dict(sorted(check.outputs[namespace].items())) if namespace in check.outputs else {}
