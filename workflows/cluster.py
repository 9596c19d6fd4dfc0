"""A relaxed cluster compared with a measured pattern, atom by atom."""

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from qdsim.debye.cluster_fit import ClusterFit, ClusterSettings, fit_cluster
from qdsim.debye.plausibility import check_resemblance
from qdsim.errors import QdsimError
from qdsim.workflows.documents import MeasuredPattern
from qdsim.workflows.fit import UNUSABLE, curves_of, opened_fit, result_nodes


@calcfunction
def fit_relaxed_cluster(
    structure: orm.StructureData,
    measured: orm.Dict,
    pattern: orm.SinglefileData,
    blank: orm.SinglefileData | None = None,
) -> dict[str, orm.Data] | ExitCode:
    """Fit B of each element, scale and background: see :func:`qdsim.debye.cluster_fit.fit_cluster`.

    Background and scattering are those of the fit of the measured pattern.
    """
    try:
        with opened_fit(MeasuredPattern(**measured.get_dict()).fit, pattern, blank) as (fit, data, blank_data):
            given = fit.settings(data.wavelength).model_dump(include=set(ClusterSettings.model_fields) - {"vary"})
            result = fit_cluster(structure.get_ase(), data, ClusterSettings(**given), blank_data)
        check_resemblance(result, pattern.filename)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return result_nodes(result)


def read_cluster_fit(result: orm.Dict, curves: orm.ArrayData) -> ClusterFit:
    """Return the cluster fit that two nodes keep."""
    return ClusterFit.model_validate({**result.get_dict(), **curves_of(curves)})
