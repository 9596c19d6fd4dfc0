"""The AiiDA node behind every number."""

from qdsim.report.data import ReportData
from qdsim.report.formatting import fixed
from qdsim.report.sections import Context, section


@section("Provenance", order=90)
def provenance(data: ReportData) -> Context | None:
    """Return path and UUID of every node, points by their strain."""
    if not data.nodes:
        return None
    strains = {point.label: 100 * point.linear_strain for point in data.strain.points} if data.strain else {}
    return {"rows": [(_readable(path, strains), path, uuid) for path, uuid in data.nodes.items()]}


def _readable(path: str, strains: dict[str, float]) -> str:
    parts = path.split(".")
    if parts[0] == "points" and len(parts) > 1 and parts[1] in strains:
        strain = fixed(strains[parts[1]], 2, "%", signed=True)
        return " › ".join([f"strain {strain}", *(part.replace("_", " ") for part in parts[2:])])
    return " › ".join(part.replace("_", " ") for part in parts)
