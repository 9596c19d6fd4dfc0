"""Structures as folders of input for Debussy 2.2 (Cervellino et al., J. Appl. Cryst. 48, 2026 (2015))."""

import re
from math import asin, degrees, pi, radians, sin

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from scipy.constants import angstrom, atomic_mass, centi, gram
from scipy.spatial import ConvexHull, QhullError, cKDTree

from qdsim.debye.abscissa import HC
from qdsim.debye.form_factors import scattering_amplitude
from qdsim.debye.origin import Origin, RocksaltNumbers
from qdsim.errors import QdsimError
from qdsim.exports.fit_models import format_json, make_fit_file
from qdsim.exports.start_values import B_ISO, DIAMETER, WAVELENGTH
from qdsim.exports.text_files import safe_name
from qdsim.structures import cut_crystal, measure_distortion

Q_RANGE = (1.0, 13.0)
"""Of the simulated pattern, Å^-1."""
LARGEST_TWO_THETA = 120.0
"""Degrees."""
POINTS = 2200
"""Of the simulated pattern."""
SAMPLING = "one 0.563 120.0"
"""Wavelength (Å) and largest 2 theta (degrees) for which Debussy samples distances every 0.12 Å: fine enough for
particles of 8 nm and Q up to 20 Å^-1, whatever the wavelength of the data."""
SAMPLED = "DISTANCES/SAMPTO120A"
"""Folder that the sampled distances are written to."""
UNDISTURBED = 1e-4
"""Å or degrees; a crystal whose bonds and angles scatter less than this is one of the R3m phase."""
TO_DENSITY = atomic_mass / gram / (angstrom / centi) ** 3
"""Unified atomic mass units per Å^3, in g/cm^3."""

Parameter = tuple[str, float, float, float, int]
"""Name, lowest value, value, highest value, and whether it is refined."""

_README = """\
Input for Debussy 2.2: one cluster, made by qdsim.

1. Sample the distances; the program of the suite reads molmkd.ini in this folder:
     MK_MOLEC_x1.0
2. Put them where cluster.dwa looks for them:
     mkdir DB
     mv {sampled}/cluster_001.smp DB/cluster_r001_SPH.smp
     mv {sampled}/cluster_001.smp_INFO DB/cluster_r001_SPH.smp_INFO
3. Simulate the pattern at {wavelength:.6g} A:
     Debussy cluster.dwa

To fit data, name them in cluster.dwa ('data', 'form', 'rang') and set 'simu 0'. Further sizes follow as cluster_r002,
cluster_r003, ... with 'nclu' telling how many; AV1LN and SD1LN are mean and standard deviation of the diameter, nm.

cluster.xyz                  {atoms} atoms, the lightest element first
cluster.dwa, cluster.par     what is computed, and the parameters with their bounds
External_Anom_Fac001.txt     Z, f', f'' at {energy:.6g} keV (Chantler); remove it for Debussy's own
origin.json                  the computed structure and where it comes from; a fit file of qdsim, if it is rock salt

B = {b_iso} A^2 is a value to start from; the calculation is one at rest.

"""


def format_debussy(
    origin: Origin, shape: str | None = None, diameter: float | None = None, wavelength: float = WAVELENGTH
) -> dict[str, str]:
    """Write input for Debussy: one cluster, and all that is needed to compute its pattern.

    Parameters
    ----------
    origin
        A crystal, from which the cluster is cut, or the cluster itself.
    shape
        Name of the shape that a crystal is cut to; by default a sphere.
    diameter
        Of the sphere of the same volume, Å; by default `DIAMETER`.
    wavelength
        Of the X-rays, Å.

    Returns
    -------
    dict
        Texts by the names of their files.

    Raises
    ------
    QdsimError
        If the cluster cannot be cut, a shape or size is given for a structure that is no crystal, an element is not
        tabulated, or the wavelength is of no use.
    """
    cluster = cut_cluster(origin, shape, diameter)
    density = _density(origin, cluster)
    energy = HC / wavelength
    size = 0.1 * float(np.cbrt(6 / pi * TO_DENSITY * cluster.get_masses().sum() / density))
    species = list(dict.fromkeys(cluster.get_chemical_symbols()))
    remarks = origin.header_lines("! ")
    texts = {
        "cluster.xyz": _xyz(origin, cluster),
        "molmkd.ini": "\n".join(["cluster.xyz", SAMPLING, f"dens {density:.6f}", "redm 0.0", *remarks]),
        "cluster.dwa": "\n".join([*remarks, _dwa(wavelength)]),
        "cluster.par": "\n".join([*remarks, "STcod 1", "VALn1 0", *_par(size, len(species))]),
        "External_Anom_Fac001.txt": "\n".join([*(_dispersion(symbol, energy) for symbol in species), *remarks]),
        "README.txt": _README.format(
            sampled=SAMPLED, wavelength=wavelength, atoms=len(cluster), energy=energy, b_iso=B_ISO
        )
        + "\n".join(origin.header_lines()),
    }
    chosen = (shape, diameter) if origin.rocksalt is not None else (None, None)
    return {name: text + "\n" for name, text in texts.items()} | {"origin.json": format_json(origin, *chosen)}


def cut_cluster(origin: Origin, shape: str | None = None, diameter: float | None = None) -> Atoms:
    """Return a finite set of atoms, those of the lightest element first.

    From a crystal of the R3m phase the particle is cut that `qdsim fit` begins with; from any other crystal, one around
    an atom of its heaviest element, with all displacements and vacancies that the crystal has. Parameters and errors
    are those of `format_debussy`.
    """
    atoms: Atoms = origin.structure.to_atoms()
    if origin.is_crystal:
        atoms = _cut(origin, atoms, shape or "sphere", DIAMETER if diameter is None else diameter)
    elif atoms.pbc.any():
        raise QdsimError(f"{origin.label} is periodic in some directions only, as no cluster is: export it as xyz.")
    elif shape is not None or diameter is not None:
        raise QdsimError(f"{origin.label} is a cluster already: leave out --shape and --diameter.")
    atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
    if len(atoms) == 1:
        raise QdsimError(f"{origin.label} is a single atom, which has no distances: export it as xyz.")
    return atoms


def _cut(origin: Origin, crystal: Atoms, shape: str, diameter: float) -> Atoms:
    if origin.rocksalt is not None and _is_undisturbed(crystal, origin.rocksalt):
        return make_fit_file(origin, origin.rocksalt, shape, diameter).model.particle().to_atoms()
    return cut_crystal(crystal, shape, diameter, centre=int(crystal.numbers.argmax())).to_atoms()


def _is_undisturbed(crystal: Atoms, rocksalt: RocksaltNumbers) -> bool:
    """Tell whether volume, angle and offset describe a crystal wholly."""
    found = measure_distortion(crystal, rocksalt.cation)
    scatter = (found.alpha_rh_spread, found.offset_spread, found.bond_short_spread, found.bond_long_spread)
    return max(scatter) < UNDISTURBED and not any(found.vacancies.values())


def _density(origin: Origin, cluster: Atoms) -> float:
    """Return the density of the crystal, or the estimated one of a cluster, g/cm^3."""
    if origin.is_crystal:
        crystal = origin.structure.to_atoms()
        return float(TO_DENSITY * crystal.get_masses().sum() / crystal.get_volume())
    return float(TO_DENSITY * cluster.get_masses().sum() / _volume(cluster))


def _volume(cluster: Atoms) -> float:
    """Estimate the volume of a cluster: half a bond around the hull of its atoms, Å^3."""
    distances, _ = cKDTree(cluster.positions).query(cluster.positions, k=2)
    bond = float(np.median(distances[:, 1]))
    try:
        hull = ConvexHull(cluster.positions)
    except QhullError:  # fewer than four atoms, or all in a plane
        return len(cluster) * bond**3
    return float(hull.volume + hull.area * bond / 2)


def _xyz(origin: Origin, cluster: Atoms) -> str:
    """Write plain XYZ; in its second line, which Debussy skips, nothing that others take for extended XYZ."""
    facts = {"label": origin.label, "campaign": origin.campaign or "-", "uuid": origin.uuid}
    title = " ".join(f"{name}:{safe_name(fact)}" for name, fact in facts.items())
    doi = re.sub(r"[^A-Za-z0-9_./()-]", "_", origin.doi)
    lines = [
        f"{symbol:<2s} {' '.join(f'{x:17.10f}' for x in position)}"
        for symbol, position in zip(cluster.symbols, cluster.positions.tolist(), strict=True)
    ]
    return "\n".join([str(len(cluster)), f"{title} doi:{doi}", *lines])


def _dwa(wavelength: float) -> str:
    low, high = (_two_theta(q, wavelength) for q in Q_RANGE)
    if not low < high:
        raise QdsimError(
            f"At a wavelength of {wavelength:g} Å no Q from {Q_RANGE[0]:g} Å^-1 is reached: give a shorter one."
        )
    return f"""\
**** Datasets
#1        XRD
  data    none
  form    4
  rang    {low:.5f} {high:.5f} {(high - low) / POINTS:.7f}
  cheb    1
  wave    {wavelength:.8f}
  beam    S
  geom    transmDS 0.0
**** Structures
%1        cluster
  db03    DB/cluster_r
  nclu    1
  shap    SPH
  parx    cluster.par
**** Refinement
  simu    1
  calm    1
  outs    cluster"""


def _two_theta(q: float, wavelength: float) -> float:
    """Return the scattering angle, degrees; the largest one where Q is not reached."""
    largest = sin(radians(LARGEST_TWO_THETA / 2))
    return degrees(2 * asin(min(q * wavelength / (4 * pi), largest)))


def _par(size: float, n_species: int) -> list[str]:
    """Write one size (nm), no strain, and full occupancy and the same B of all species."""
    unused = (0.001, 0.01, 1.0, 0)
    lines = _lines(
        ("AV1LN", 0.5 * size, size, 2 * size, 0),
        ("SD1LN", 0.001 * size, 0.01 * size, 0.5 * size, 0),
        *((name, *unused) for name in ("AV2LN", "SD2LN", "PHILN")),
        ("STR_i", 0.95, 1.0, 1.05, 1),
        ("STR_1", 0.95, 1.0, 1.05, 0),
        ("STR_C", 0.1, 1.0, 100.0, 0),
        ("STR_W", 0.1, 1.0, 100.0, 0),
    )
    for number in range(1, n_species + 1):
        lines += [f"ATO{number:02d} 1 1"]
        lines += _lines(
            ("OKK_I", 0.5, 1.0, 1.001, 0),
            ("OKK_0", 0.5, 1.0, 1.001, 0),
            ("OKK_L", 1.001, 10.0, 1000.0, 0),
            ("BTH_I", 0.001, B_ISO, 12.0, 1),
            ("BTH_0", 0.001, B_ISO, 12.0, 0),
            ("BTH_L", 1.001, 10.0, 1000.0, 0),
        )
    return lines


def _lines(*parameters: Parameter) -> list[str]:
    return [f"{name} {low:16.9f} {value:16.9f} {high:16.9f} {flag}" for name, low, value, high, flag in parameters]


def _dispersion(symbol: str, energy: float) -> str:
    """Write the atomic number, f' and f'' at an energy in keV."""
    q = np.zeros(1)
    change = complex((scattering_amplitude(symbol, q, energy) - scattering_amplitude(symbol, q))[0])
    return f"{atomic_numbers[symbol]:3d} {change.real:.6f} {change.imag:.6f}"
