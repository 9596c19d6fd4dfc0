"""`qdsim check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import click

from qdsim.cli import Session
from qdsim.cli.options import AssignmentType, finite_number
from qdsim.cli.source import tell
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from aiida.orm import Node, StructureData, WorkChainNode

    from qdsim.campaign.schema import ScatteringSection

EXAMPLES = """
\b
Examples:
  qdsim check quickstart                                            what the campaign was checked by
  qdsim check quickstart --fits examples/fits/bertolotti_2016.yaml  values of samples from fits
  qdsim check quickstart --data pbs32.yaml                          a measured pattern, by a fit file that names it
  qdsim check quickstart --fits fits.yaml --data '3.2 nm=pbs32.xye' a pattern of one of several samples
  qdsim check 1234 --fits fits.yaml                                 the crystal of node 1234, as it is
  qdsim check 1235 --data pbs32.yaml                                the cluster of node 1235, atom by atom
"""


@click.command(epilog=EXAMPLES)
@click.argument("node", metavar="[CAMPAIGN|NODE]", required=False)
@click.option("--fits", type=click.Path(path_type=Path), help="Scattering fits: values and uncertainties.")
@click.option(
    "--data",
    metavar="[SAMPLE=]FILE",
    multiple=True,
    help="A fit file that names a measured pattern, or the pattern itself; may be repeated.",
)
@click.option(
    "--reference",
    type=click.Choice(["relative", "absolute"]),
    default="relative",
    show_default=True,
    help="Each lattice against its own bulk, or at the measured volume as it is.",
)
@click.option(
    "--tolerance",
    "tolerances",
    type=AssignmentType("QUANTITY=VALUE"),
    multiple=True,
    help="Standard error of values that have none, such as alpha_rh=0.1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results document.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Draw the results into this HTML file.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def command(
    session: Session,
    node: str | None,
    fits: Path | None,
    data: tuple[str, ...],
    reference: str,
    tolerances: tuple[tuple[str, str], ...],
    as_json: bool,
    output: Path | None,
    force: bool,
) -> None:
    """Check what was computed by scattering, and print a verdict for every quantity.

    CAMPAIGN is a name, file, PK or UUID, the newest one where none is given; NODE is that of a strain series or of one
    computed structure. Relaxed lattices are taken at the strain of each sample's volume and at its Laplace tension;
    a cluster is compared with a pattern. The exit code is 0 whatever the verdicts are.
    """
    from qdsim.campaign.check import check_node
    from qdsim.cli.check_tables import print_consistency
    from qdsim.cli.terminal import Terminal
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import consistency, find_node
    from qdsim.report.document import check_place, write_file

    if output is not None:
        check_place(output, force)
    section = _section(fits, data, reference, tolerances)
    open_profile(session.profile)
    found = find_node(node)
    if _is_cluster(found):
        _check_cluster(found, fits, data, as_json, output, force)
        return
    with Terminal(stderr=True).status("checking by scattering"):
        check = _stored(found) if section is None else check_node(found, section)
    verdicts = consistency(check)
    if verdicts is None:
        raise QdsimError(f"The check {check.pk} has no verdicts: {check.exit_message or 'it has not finished'}")
    tell(found)
    if as_json:
        click.echo(verdicts.model_dump_json(indent=2))
    else:
        console = Terminal()
        print_consistency(console, verdicts)
        console.print(f"'qdsim trace {check.uuid[:8]}' leads from the verdicts to CP2K's outputs.")
    if output is not None:
        from qdsim.report import render_report
        from qdsim.report.collect import collect_check

        click.echo(write_file(output, lambda: render_report(collect_check(check)), force), err=as_json)


def _is_cluster(node: Node) -> TypeGuard[StructureData]:
    from aiida.orm import StructureData

    return isinstance(node, StructureData) and not all(node.pbc)


def _check_cluster(
    cluster: StructureData, fits: Path | None, data: tuple[str, ...], as_json: bool, output: Path | None, force: bool
) -> None:
    """Compare a cluster with a pattern."""
    import json

    from qdsim.campaign.check_cluster import check_cluster
    from qdsim.cli.check_tables import print_cluster
    from qdsim.cli.terminal import Terminal
    from qdsim.report.document import write_file

    if fits is not None or len(data) != 1:
        raise QdsimError(f"Node {cluster.pk} is a cluster, which is compared with one pattern: give --data FILE once.")
    _, path = _named(data[0])
    with Terminal(stderr=True).status("comparing the cluster with the data"):
        fitted, model = check_cluster(cluster, path)
    title = f"{cluster.get_formula()}, node {cluster.uuid[:8]}: {path.name}"
    if as_json:
        document = {"cluster": fitted.model_dump(mode="json"), "model": model and model.model_dump(mode="json")}
        click.echo(json.dumps(document, indent=2))
    else:
        print_cluster(Terminal(), title, fitted, model)
    if output is not None:
        from qdsim.report.scattering_page import render_cluster

        click.echo(write_file(output, lambda: render_cluster(title, path.name, fitted, model), force), err=as_json)


def _section(
    fits: Path | None, data: tuple[str, ...], reference: str, tolerances: tuple[tuple[str, str], ...]
) -> ScatteringSection | None:
    """Return what the options say, None where they say nothing to compare with."""
    from pydantic import ValidationError

    from qdsim.campaign.schema import ScatteringSection

    if fits is None and not data:
        if tolerances or reference != "relative":
            raise QdsimError("--reference and --tolerance go with --fits or --data: give one of them.")
        return None
    values = {name: finite_number(f"The tolerance of {name}", text) for name, text in tolerances}
    only = _only_sample(fits) if data else None
    files = dict(_named(one, only) for one in data)
    if len(files) < len(data):
        raise QdsimError("--data gives two files for one sample: name each sample once, as SAMPLE=FILE.")
    try:
        return ScatteringSection.model_validate(
            {"fits": fits and fits.resolve(), "data": files, "reference": reference, "tolerances": values}
        )
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise QdsimError(f"--tolerance: {message}.") from error


def _only_sample(fits: Path | None) -> str | None:
    """Return the name of the sample in a file of fits, if it is the only one."""
    from qdsim.analysis.scattering_fit import load_fits

    samples = [] if fits is None else load_fits(fits).samples
    return samples[0].name if len(samples) == 1 else None


def _named(text: str, only: str | None = None) -> tuple[str, Path]:
    """Read [SAMPLE=]FILE; a file without a sample is of the only one there is, or one by itself."""
    sample, sign, name = text.partition("=")
    path = Path(name if sign else text)
    return (sample.strip() if sign else only or path.stem), path.resolve()


def _stored(node: Node) -> WorkChainNode:
    """Return the check that a campaign made itself."""
    from aiida.orm import WorkChainNode

    from qdsim.provenance import SCATTERING_PROCESS, section

    check = node if isinstance(node, WorkChainNode) and node.process_type == SCATTERING_PROCESS else None
    if check is None and isinstance(node, WorkChainNode):
        check = section(node, "scattering")
    if check is None:
        raise QdsimError("There is nothing to compare with: give --fits or --data.")
    return check
