"""`qdsim export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.options import energy_options, photon_energy
from qdsim.cli.progress import notice, spoken_warnings
from qdsim.cli.source import tell
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiida.orm import WorkChainNode

    from qdsim.debye.origin import Origin

EXAMPLES = """
\b
Examples:
  qdsim export quickstart --format cif              every relaxed structure, in a folder
  qdsim export quickstart --format json --strain linear_p0p0200 -o pbs.json
  qdsim fit pbs.json pbs50.xye                      begins with what was computed
  qdsim export phonons --format phonopy             phonopy_params.yaml of every crystal, with force constants
  qdsim export 1234 --format debussy --diameter 77 --wavelength 0.563
"""

PHONOPY = "phonopy"
FORMATS = {"xyz": ".xyz", "cif": ".cif", "debussy": "", "diffpy": ".stru", "json": ".json", PHONOPY: ""}
"""What can be written, and how the names of the files end; Debussy and phonopy take a folder."""
CUT = {"debussy", "json"}
"""Formats that are of particles."""


@click.command(epilog=EXAMPLES)
@click.argument("node", required=False, metavar="[NODE|CAMPAIGN]")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="What to write.")
@click.option("--phase", type=click.Choice(["relaxed", "centred"]), help="Structures to take. [default: relaxed]")
@click.option("--strain", "strains", multiple=True, metavar="LABEL", help="Only this strain; can be repeated.")
@click.option("--diameter", type=float, metavar="Å", help="Of the particles, for debussy and json. [default: 50]")
@click.option("--shape", metavar="NAME", help="Of the particles, for debussy and json. [default: sphere]")
@energy_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder. [default: after the structure]")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_obj
def command(
    session: Session,
    node: str | None,
    form: str,
    phase: Any,
    strains: tuple[str, ...],
    diameter: float | None,
    shape: str | None,
    energy: float | None,
    wavelength: float | None,
    output: Path | None,
    force: bool,
) -> None:
    """Write computed structures as starting models of scattering fits.

    CAMPAIGN is a name, file, PK or UUID; without one it is the newest campaign. NODE is the PK or UUID of a structure,
    or of a strain series or relaxation. Each file tells where its structure comes from, and the settings of the
    calculation that it is of. diffpy is the .stru of PDFgui and diffpy.structure, which read cif as well; json is a fit
    file for qdsim fit. The input for Debussy is for 22 keV, unless --energy or --wavelength says otherwise. phonopy is
    of a campaign's phonons. Of several structures, those that a format cannot hold, such as clusters in cif, are left
    out with a note.
    """
    from qdsim.cli.terminal import Terminal
    from qdsim.exports import safe_name
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign, find_node
    from qdsim.provenance.origins import find_origins

    given = _options(form, shape, diameter, photon_energy(energy, wavelength))
    open_profile(session.profile)
    if form == PHONOPY:
        if phase is not None or strains:
            raise QdsimError("phonopy is of all phonons of a campaign: leave out --phase and --strain.")
        campaign = find_campaign(node)
        for path in _write_phonopy(campaign, output, force):
            click.echo(path.resolve())
        tell(campaign)
        return
    console = Terminal(stderr=True)
    found = find_node(node)
    with spoken_warnings(console):
        origins = find_origins(found, phase, strains)
    first = origins[0]
    if len(origins) == 1:
        named = {safe_name(first.label): first}
        place = output or Path(safe_name(first.label) + (FORMATS[form] or "-debussy"))
    else:
        named = dict(zip(_names(origins), origins, strict=True))
        place = output or Path(f"{safe_name(first.campaign or node or '')}-{form}")
    written, left_out = _write(form, named, place, given, force)
    for path in written:
        click.echo(path.resolve())
    tell(found)
    for sentence in left_out:
        notice(console, f"left out: {sentence}")
    if form == "json" and not left_out:
        for origin in origins:
            if origin.rocksalt is None:
                notice(console, f"{origin.label} is no rock-salt crystal: its file holds the structure, and no model.")


def _write_phonopy(found: WorkChainNode, output: Path | None, force: bool) -> list[Path]:
    """Write phonopy's file of each crystal, in a folder of its own."""
    from qdsim import exports
    from qdsim.provenance import phonopy_files

    files = phonopy_files(found)
    if not files:
        raise QdsimError(f"Campaign '{found.label}' has no phonons; give one with a phonon section.")
    place = output or Path(f"{exports.safe_name(found.label)}-{PHONOPY}")
    exports.check_folder(place, force)
    texts = {
        f"{exports.safe_name(label)}/{exports.safe_name(node.filename)}": node.get_content(mode="r")
        for label, node in files.items()
    }
    return exports.write_folder(place, texts, force)


def _options(form: str, shape: str | None, diameter: float | None, energy: float | None) -> dict[str, Any]:
    """Return the options that a format takes; refuse those that it does not."""
    if form not in CUT and (shape is not None or diameter is not None):
        raise QdsimError(f"{form} is of the structure as it is: leave out --shape and --diameter.")
    if form != "debussy" and energy is not None:
        raise QdsimError(f"{form} does not depend on the wavelength: leave out --energy and --wavelength.")
    given: dict[str, Any] = {"shape": shape, "diameter": diameter} if form in CUT else {}
    if energy is not None:
        from qdsim.debye.abscissa import HC

        given["wavelength"] = HC / energy
    return given


def _names(origins: Sequence[Origin]) -> list[str]:
    """Return a name for each structure, all different."""
    from qdsim.exports import safe_name

    names: list[str] = []
    for origin in origins:
        name = safe_name(origin.label)
        names.append(name if name not in names else f"{name}_{origin.uuid}")
    return names


def _write(
    form: str, origins: dict[str, Origin], place: Path, given: dict[str, Any], force: bool
) -> tuple[list[Path], list[str]]:
    """Write structures: one to a file, or to a folder for Debussy, and several to a folder.

    Returns
    -------
    tuple
        The files, and a sentence for each of several structures that cannot be written so.
    """
    from qdsim import exports
    from qdsim.report.document import check_place, write_file

    several = len(origins) > 1
    if form == "debussy" or several:
        exports.check_folder(place, force)
    else:
        check_place(place, force)
    formats: dict[str, Callable[..., str | dict[str, str]]] = {
        "xyz": exports.format_xyz,
        "cif": exports.format_cif,
        "diffpy": exports.format_stru,
        "json": exports.format_json,
        "debussy": exports.format_debussy,
    }
    texts: dict[str, str] = {}
    refusals: list[QdsimError] = []
    for name, origin in origins.items():
        try:
            made = formats[form](origin, **given)
        except QdsimError as error:
            refusals.append(error)
            continue
        inner = {f"{name}{FORMATS[form]}": made} if isinstance(made, str) else made
        texts |= {(f"{name}/{file}" if several and form == "debussy" else file): text for file, text in inner.items()}
    if not texts:
        raise refusals[0]
    if form == "debussy" or several:
        return exports.write_folder(place, texts, force), [str(error) for error in refusals]
    (text,) = texts.values()
    return [write_file(place, lambda: text, force)], []
