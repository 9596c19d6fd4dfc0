"""`qdsim pattern`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli import Session
from qdsim.cli.options import (
    AssignmentType,
    DispersionType,
    Grid,
    GridType,
    energy_options,
    finite_number,
    photon_energy,
)
from qdsim.cli.progress import notice, progress_bar
from qdsim.cli.source import tell
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console

    from qdsim.debye.data import FloatArray
    from qdsim.debye.form_factor_tables import FormFactorTable
    from qdsim.provenance.phonons import ThermalB

EXAMPLES = """
\b
Examples:
  qdsim pattern cluster.xyz --q 1:13:1200 --b-iso 1.0 > pattern.csv
  qdsim pattern pbs.cif --diameter 50 --shape cuboctahedron --energy 22 -o pattern.xye
  qdsim pattern fit.yaml --html pattern.html               the model of a fit file, with its sizes
  qdsim pattern cluster.xyz --kind S --neutrons --format json
  qdsim pattern pbs.cif --diameter 50 --energy 22 --form-factors Pb=epdl97.txt --dispersion none
  qdsim pattern pbs.cif --diameter 32 --phonons phonons --crystal at_rest --temperature 300
"""

KINDS = {"intensity": "intensity (electrons² per particle)", "S": "S(Q)", "F": "F(Q) (Å⁻¹)", "G": "G(r) (Å⁻²)"}
"""What can be computed."""
FORMS = ("csv", "xye", "gr", "json")


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--q", "grid", type=GridType(), default="1:13:1200", show_default=True, help="Q in Å^-1.")
@click.option("--r", "distances", type=GridType(), help="r in Å, for G; Q is then integrated over the range of --q.")
@click.option("--kind", type=click.Choice(list(KINDS)), default="intensity", show_default=True, help="What to compute.")
@click.option("--diameter", type=float, metavar="Å", help="Cut a particle of this size from a crystal.")
@click.option("--shape", metavar="NAME", help="Shape of that particle. [default: sphere]")
@click.option("--occupancy", type=AssignmentType("ELEMENT=OCCUPANCY"), multiple=True, help="In place of the file's.")
@click.option("--b-iso", type=float, metavar="Å^2", help="Displacement parameter B, added to those of the file.")
@click.option("--phonons", metavar="CAMPAIGN", help="B by element from the phonons of a campaign, in place of --b-iso.")
@click.option("--crystal", metavar="NAME", help="Of that campaign; needed where it has several.")
@click.option("--temperature", type=float, metavar="K", help="Of that crystal. [default: 300]")
@energy_options
@click.option("--ion", type=AssignmentType("ELEMENT=ION"), multiple=True, help="Form factor, such as Pb=Pb2+.")
@click.option(
    "--form-factors",
    type=AssignmentType("ELEMENT=FILE"),
    multiple=True,
    help="Own table of Q or s and f0, in electrons.",
)
@click.option(
    "--dispersion",
    type=DispersionType(),
    multiple=True,
    help="f' and f'': none although the energy is given, or those of each element.",
)
@click.option("--self-term", type=click.Choice(["linear", "squared"]), help="How vacancies count. [default: linear]")
@click.option("--neutrons", is_flag=True, help="Neutrons in place of X-rays.")
@click.option("--rtol", type=float, help="Relative error allowed. [default: 1e-8]")
@click.option("--format", "form", type=click.Choice(FORMS), help="[default: by --output, else csv]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File in place of standard output.")
@click.option("--html", type=click.Path(path_type=Path), help="Draw the pattern into this file.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.pass_obj
def command(
    session: Session,
    /,
    file: Path,
    grid: Grid,
    distances: Grid | None,
    kind: str,
    energy: float | None,
    wavelength: float | None,
    ion: tuple[tuple[str, str], ...],
    form_factors: tuple[tuple[str, str], ...],
    dispersion: tuple[str | tuple[str, tuple[float, float]], ...],
    self_term: str | None,
    neutrons: bool,
    form: str | None,
    output: Path | None,
    html: Path | None,
    force: bool,
    phonons: str | None,
    crystal: str | None,
    temperature: float | None,
    **of_atoms: Any,
) -> None:
    """Compute the scattering of the structure or model in FILE.

    FILE is a structure (CIF, XYZ, PDB, .stru, POSCAR and others), taken as it is unless --diameter cuts a particle from
    it, or a fit file (.yaml), whose model is averaged over its sizes.
    """
    import numpy as np

    from qdsim.cli.terminal import Terminal
    from qdsim.report.document import check_place, write_file

    for place in (output, html):
        if place is not None:
            check_place(place, force)
    form = form or (output.suffix[1:] if output is not None and output.suffix[1:] in FORMS else "csv")
    _check_options(kind, form, distances, self_term)
    console = Terminal(stderr=True)
    origin = {}
    if phonons is not None:
        displacements = _of_phonons(session, phonons, crystal, temperature, of_atoms["b_iso"])
        of_atoms["b_iso"] = displacements.b_iso
        stated = ", ".join(f"{element} {b:.3f} Å^2" for element, b in displacements.b_iso.items())
        origin = {"displacement_parameters": f"{stated}: {displacements.origin}"}
        notice(console, f"B of {stated}: {displacements.origin}.")
    elif crystal is not None or temperature is not None:
        raise QdsimError("--crystal and --temperature are of phonons: give --phonons CAMPAIGN, too.")
    scattering = {
        "energy_kev": photon_energy(energy, wavelength),
        "radiation": "neutron" if neutrons else None,
        "ions": dict(ion) or None,
        "self_term": self_term,
        "form_factors": read_tables(form_factors) or None,
        "dispersion": one_dispersion(dispersion),
    }
    given = {name: value for name, value in scattering.items() if value is not None}
    x = np.array((distances or grid).values())
    if kind == "G":
        given |= {"q_min": grid.low, "q_max": grid.high}
    compute = _of_model if file.suffix.lower() in {".yaml", ".yml"} else _of_structure
    values, amplitudes = compute(console, file, x, kind, given, of_atoms)
    origin["scattering_amplitudes"] = amplitudes
    text = _write(form, file, kind, x, values, origin)
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(write_file(output, lambda: text, force))
    if html is not None:
        from qdsim.report.scattering_page import render_pattern

        titles = (
            "r (Å)" if kind == "G" else "Q (Å⁻¹)",
            KINDS[kind].replace("electrons²", "fm²" if neutrons else "electrons²"),
        )
        click.echo(
            write_file(
                html, lambda: render_pattern(file.name, x.tolist(), values.tolist(), *titles, amplitudes), force
            ),
            err=True,
        )


def read_tables(files: tuple[tuple[str, str], ...]) -> dict[str, FormFactorTable]:
    """Read form factors by element."""
    from qdsim.debye.form_factor_tables import read_form_factors

    return {element: read_form_factors(file, element) for element, file in files} if files else {}


def one_dispersion(
    given: tuple[str | tuple[str, tuple[float, float]], ...],
) -> str | dict[str, tuple[float, float]] | None:
    """Return the dispersion that repeated options give; None if there are none."""
    words = [one for one in given if isinstance(one, str)]
    if words and len(given) > 1:
        raise QdsimError("--dispersion none goes alone: leave it out, or the numbers of elements.")
    return words[0] if words else dict(one for one in given if not isinstance(one, str)) or None


def _check_options(kind: str, form: str, distances: Grid | None, self_term: str | None) -> None:
    """Refuse options that do not go together."""
    if (kind == "G") != (distances is not None):
        raise QdsimError("--kind G and --r LOW:HIGH:N go together: give both, or none.")
    if kind != "intensity" and self_term is not None:
        raise QdsimError("--self-term is for the intensity: leave it out, or --kind.")
    if (form == "gr" and kind != "G") or (form == "xye" and kind == "G"):
        raise QdsimError(f"The format {form} does not suit {kind}: use gr for G, xye for functions of Q, csv or json.")


def _of_phonons(
    session: Session, campaign: str, crystal: str | None, temperature: float | None, b_iso: float | None
) -> ThermalB:
    """Return B by element of a campaign's crystal, and its origin."""
    from qdsim.machine.profile import open_profile
    from qdsim.provenance import find_campaign
    from qdsim.provenance.phonons import thermal_b_iso

    if b_iso is not None:
        raise QdsimError("--b-iso and --phonons both tell B: give one of them.")
    open_profile(session.profile)
    found = find_campaign(campaign)
    b = thermal_b_iso(found, crystal, 300.0 if temperature is None else temperature)
    tell(found)
    return b


def _of_structure(
    console: Console, file: Path, x: FloatArray, kind: str, scattering: dict[str, Any], of_atoms: dict[str, Any]
) -> tuple[FloatArray, str]:
    """Compute the pattern of atoms, or of a particle cut from a crystal, and tell what these scatter with."""
    from qdsim.debye.amplitude_sources import amplitude_sources, say_sources
    from qdsim.debye.intensity import intensity, reduced_structure_factor, structure_factor
    from qdsim.debye.linear_part import CurveSettings
    from qdsim.debye.pair_distribution import pair_distribution
    from qdsim.debye.structure_files import read_structure

    functions: dict[str, Callable[..., FloatArray]]
    functions = {"intensity": intensity, "S": structure_factor, "F": reduced_structure_factor, "G": pair_distribution}
    atoms = read_structure(file)
    occupancy = {element: finite_number(f"The occupancy of {element}", text) for element, text in of_atoms["occupancy"]}
    absent = set(occupancy) - set(atoms.symbols)
    if absent:
        raise QdsimError(f"{file} has no {min(absent)}: give --occupancy for {', '.join(sorted(set(atoms.symbols)))}.")
    for element, value in occupancy.items():
        atoms.arrays["occupancy"][atoms.symbols == element] = value
    b_iso = of_atoms["b_iso"] or 0.0
    if isinstance(b_iso, dict):
        unknown = set(atoms.symbols) - set(b_iso)
        if unknown:
            raise QdsimError(f"{file} has {min(unknown)}, and the phonons are of {' and '.join(b_iso)}.")
        b_iso = [b_iso[element] for element in atoms.symbols]
    atoms.arrays["b_iso"] += b_iso
    if "isotope" in atoms.arrays:
        _tell_isotopes(console, file, atoms, cut=of_atoms["diameter"] is not None, **scattering)
    structure: Any = atoms
    options = scattering if of_atoms["rtol"] is None else scattering | {"rtol": of_atoms["rtol"]}
    if of_atoms["diameter"] is not None:
        from qdsim.structures import cut_crystal

        structure = cut_crystal(atoms, of_atoms["shape"] or "sphere", of_atoms["diameter"])
        options |= {
            "occupancies": _of_elements(file, atoms, structure.atom_symbols, "occupancy"),
            "b_iso": _of_elements(file, atoms, structure.atom_symbols, "b_iso"),
        }
    elif of_atoms["shape"] is not None:
        raise QdsimError("--shape needs a size: give --diameter, too.")
    elif atoms.pbc.any():
        notice(
            console,
            f"{file} is a crystal: the {len(atoms)} atoms of its cell are taken as they are; --diameter cuts a "
            "particle from it.",
        )
    with console.status("computing the pattern"):
        values = functions[kind](structure, x, **options)
    used = CurveSettings(**{name: value for name, value in scattering.items() if name in CurveSettings.model_fields})
    return values, say_sources(amplitude_sources(sorted(set(atoms.symbols)), used.scattering))


def _tell_isotopes(
    console: Console, file: Path, atoms: Atoms, *, cut: bool, radiation: str = "xray", **_: object
) -> None:
    """Say which isotopes a file has, and refuse to forget them where they count."""
    from qdsim.debye.atoms import as_cluster

    isotopes = ", ".join(sorted({name for name in as_cluster(atoms).symbols if name[0].isdecimal()}))
    if radiation == "neutron" and cut:
        raise QdsimError(
            f"{file} has isotopes ({isotopes}), which a cut particle does not keep: give the particle itself as a file."
        )
    scatter = "by lengths of their own" if radiation == "neutron" else "X-rays as their elements do"
    notice(console, f"{file} has isotopes: {isotopes} scatter {scatter}.")


def _of_elements(file: Path, crystal: Atoms, symbols: list[str], name: str) -> dict[str, float]:
    """Return the occupancy or B of each element of a particle that is cut from a crystal."""
    found = {symbol: set(crystal.arrays[name][crystal.symbols == symbol].tolist()) for symbol in sorted(set(symbols))}
    for symbol, values in found.items():
        if len(values) > 1:
            raise QdsimError(
                f"{file}: the atoms of {symbol} differ in {name}, which a cut particle does not keep; make them equal, "
                "or give the particle itself as a file."
            )
    return {symbol: values.pop() for symbol, values in found.items()}


def _of_model(
    console: Console, file: Path, x: FloatArray, kind: str, scattering: dict[str, Any], of_atoms: dict[str, Any]
) -> tuple[FloatArray, str]:
    """Compute the pattern of the model of a fit file, and tell what its elements scatter with."""
    from qdsim.debye.amplitude_sources import amplitude_sources, say_sources
    from qdsim.debye.fit_file import load_fit_file
    from qdsim.debye.patterns import ModelPattern

    for name, value in of_atoms.items():
        if value not in {None, ()}:
            option = name.replace("_", "-")
            raise QdsimError(f"{file} is a model with numbers of its own: change them there, and leave out --{option}.")
    if kind != "intensity":
        raise QdsimError(f"{kind} is made for structures only: a model has an intensity.")
    fit = load_fit_file(file)
    b_iso = {fit.model.cation: fit.model.b_iso_cation, fit.model.anion: fit.model.b_iso_anion}
    notice(console, f"{file}: " + ", ".join(f"B of {element} = {value:g} Å²" for element, value in b_iso.items()) + ".")
    settings = fit.settings(fit.data.stated_wavelength).model_copy(update=scattering)
    model = ModelPattern(fit.model, x, (), settings.scattering)
    with progress_bar(console, "counting pairs") as progress:
        values = model.intensity({}, progress)
    return values, say_sources(amplitude_sources((fit.model.cation, fit.model.anion), settings.scattering))


def _write(form: str, file: Path, kind: str, x: FloatArray, values: FloatArray, origin: Mapping[str, str]) -> str:
    """Return the curve as text, with the origin of what went into it where the format has a place for that."""
    name = "r" if kind == "G" else "q"
    if form == "json":
        import json

        document = {"file": file.name, "kind": kind, **origin, name: x.tolist(), kind: values.tolist()}
        return json.dumps(document, ensure_ascii=False) + "\n"
    if form == "csv":
        rows = zip(x.tolist(), values.tolist(), strict=True)
        return f"{name},{kind}\n" + "".join(f"{one!r},{value!r}\n" for one, value in rows)
    from tempfile import TemporaryDirectory

    from qdsim.debye.data import ScatteringData
    from qdsim.debye.data_files import write_data
    from qdsim.debye.pdf_files import PairDistributionData, write_pdf

    with TemporaryDirectory() as folder:
        written = Path(folder) / "curve"
        if form == "gr":
            write_pdf(written, PairDistributionData(x, values, metadata={"source": file.name, **origin}))
        else:
            write_data(written, ScatteringData(x, values, source=file.name, metadata={"kind": kind, **origin}))
        return written.read_text(encoding="utf-8")
