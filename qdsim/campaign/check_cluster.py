"""Compare a computed cluster with a measured pattern: `qdsim check` of a structure that is not periodic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdsim.campaign.scattering import FIT_FILES, USUAL_BACKGROUND, data_nodes, measure
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import StructureData

    from qdsim.debye.cluster_fit import ClusterFit
    from qdsim.debye.fit_file import FitFile
    from qdsim.debye.fit_result import FitResult


def check_cluster(structure: StructureData, path: Path) -> tuple[ClusterFit, FitResult | None]:
    """Fit a cluster to a pattern, and, with a fit file, the model of that file to the same pattern.

    Parameters
    ----------
    structure
        The cluster.
    path
        A fit file that names the pattern, or the pattern.

    Returns
    -------
    tuple
        Fit of the cluster, and of the model; None without a fit file.

    Raises
    ------
    QdsimError
        If the data cannot be used, or the cluster cannot be fitted to them.
    """
    from aiida import orm

    from qdsim.workflows.cluster import fit_relaxed_cluster, read_cluster_fit
    from qdsim.workflows.fit import fit_pattern, read_result

    fit = _fit(path)
    nodes = data_nodes(measure(path.stem, path, fit))
    fitted = _outputs(fit_relaxed_cluster, structure=structure, **nodes)
    cluster = read_cluster_fit(fitted["result"], fitted["curves"])
    if path.suffix.lower() not in FIT_FILES:
        return cluster, None
    measured = nodes.pop("measured")
    modelled = _outputs(fit_pattern, fit=orm.Dict(measured["fit"]), **nodes)
    return cluster, read_result(modelled["result"], modelled["curves"])


def _fit(path: Path) -> FitFile:
    """Return the fit file, or one that says of data alone how they are read; its model stands for nothing."""
    from qdsim.debye.fit_file import DataSection, FitFile, load_fit_file
    from qdsim.debye.models import NanocrystalModel

    if path.suffix.lower() in FIT_FILES:
        return load_fit_file(path)
    model = NanocrystalModel(diameter=20.0)
    return FitFile(model=model, background=USUAL_BACKGROUND, data=DataSection(file=path))


def _outputs(function: Any, **inputs: Any) -> Any:
    _, process = function.run_get_node(**inputs)
    if not process.is_finished_ok:
        raise QdsimError(str(process.exit_message))
    return process.outputs
