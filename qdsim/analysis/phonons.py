"""Lattice dynamics by finite displacements: phonopy's, with the conventions of this project.

Frequencies are in cm^-1, imaginary ones negative; forces in eV/Å; displacements in Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.units import Bohr, Hartree
from scipy import constants

from qdsim.analysis.phonon_results import (
    BandSegment,
    DensityOfStates,
    GammaModes,
    PhononSettings,
    PhononState,
    ThermalState,
)
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState

if TYPE_CHECKING:
    from phonopy import Phonopy
    from phonopy.phonon.mesh import Mesh

FloatArray = npt.NDArray[np.float64]

WAVE_NUMBERS = 1e12 / (100 * constants.c)
"""cm^-1 in a THz."""
MILLI_EV_PER_KELVIN = 1e3 / (constants.N_A * constants.e)
"""meV/K in a J/(K mol)."""
EV = 1e3 / (constants.N_A * constants.e)
"""eV in a kJ/mol."""
UNSTABLE = -3.0
"""cm^-1; acoustic modes of a stable crystal may come out so far below 0."""
ANTIPHASE = 0.5
"""Modes with a larger share of the motion of cations against anions are optical ones."""
LEAST_FREQUENCY = 1e-3
"""THz; modes below are translations, which have no displacement of their own."""
POINTS: dict[str, tuple[float, float, float]] = {
    "Γ": (0, 0, 0),
    "X": (0.5, 0, 0.5),
    "U": (0.625, 0.25, 0.625),
    "K": (0.375, 0.375, 0.75),
    "L": (0.5, 0.5, 0.5),
    "W": (0.5, 0.25, 0.75),
}
"""Special points of the face-centred cubic lattice, in reciprocal vectors of the primitive cell."""
PATH = (("Γ", "X"), ("X", "U"), ("K", "Γ"), ("Γ", "L"), ("L", "W"), ("W", "X"))
SEGMENT_POINTS = 41
DOS_WIDTH, DOS_PITCH = 2.0, 1.0
"""cm^-1, of the Gaussians in place of the modes, and between the points."""


def displaced_supercells(crystal: Atoms, settings: PhononSettings) -> tuple[Atoms, list[Atoms]]:
    """Make the supercell, and those in which one atom is displaced; symmetry leaves few of them.

    Parameters
    ----------
    crystal
        Any cell of rock salt, distorted along [111] or not.
    settings
        Supercell and length of the displacement.

    Returns
    -------
    ase.Atoms, list of ase.Atoms
        With the atoms in phonopy's order.

    Raises
    ------
    QdsimError
        If the crystal is no rock salt.
    """
    phonopy = _phonopy(crystal, settings)
    return _to_ase(phonopy.supercell), [_to_ase(one) for one in phonopy.supercells_with_displacements or ()]


def largest_force(forces: npt.ArrayLike) -> float:
    """Return the largest force on an atom, in the unit of the forces, shape (n, 3)."""
    return float(np.linalg.norm(np.asarray(forces, dtype=float), axis=1).max())


def check_relaxed(forces: npt.ArrayLike, settings: PhononSettings) -> None:
    """Refuse a crystal that is not in equilibrium.

    Parameters
    ----------
    forces
        On the atoms of the supercell without displacement, eV/Å, shape (n, 3).
    settings
        With the largest force.

    Raises
    ------
    QdsimError
        If a force is larger.
    """
    found = largest_force(forces)
    if found > settings.largest_force:
        raise QdsimError(
            f"The crystal is not relaxed: an atom has a force of {found:.4f} eV/Å, and at most "
            f"{settings.largest_force:g} are wanted: relax it first, or raise largest_force."
        )


def describe_phonons(
    crystal: Atoms,
    settings: PhononSettings,
    residual: npt.ArrayLike,
    forces: Sequence[npt.ArrayLike],
) -> tuple[PhononState, str]:
    """Compute everything that follows from the forces.

    Parameters
    ----------
    crystal, settings
        As for `displaced_supercells`.
    residual
        Forces on the supercell without displacement, eV/Å, shape (n, 3); they are subtracted from the others.
    forces
        On each displaced supercell.

    Returns
    -------
    PhononState
        Thermal states only where all frequencies are real.
    str
        phonopy's own file, ``phonopy_params.yaml``, with the force constants.

    Raises
    ------
    QdsimError
        If there are not as many forces as displaced supercells, or the crystal is not relaxed.
    """
    phonopy = _phonopy(crystal, settings)
    expected = len(phonopy.supercells_with_displacements or ())
    if len(forces) != expected:
        raise QdsimError(f"There are forces of {len(forces)} displaced supercells, and {expected} are needed.")
    check_relaxed(residual, settings)
    unmoved = np.asarray(residual, dtype=float)
    phonopy.forces = [np.asarray(one, dtype=float) - unmoved for one in forces]
    phonopy.produce_force_constants(show_drift=False)
    violation = _sum_rule_violation(np.asarray(phonopy.force_constants))
    phonopy.symmetrize_force_constants(show_drift=False)
    _add_nonanalytic(phonopy, settings)
    state = RhombohedralState.from_atoms(crystal, settings.cation)
    gamma = _gamma_modes(phonopy, settings, violation)
    bands = tuple(_bands(phonopy))
    mesh = phonopy.run_mesh([settings.mesh] * 3, with_eigenvectors=True, is_mesh_symmetry=False)
    lowest, where = _lowest(mesh, gamma, bands)
    message = None
    if lowest < UNSTABLE:
        message = (
            f"The crystal is unstable: {lowest:.0f} cm⁻¹ at {where}, imaginary, so that it has no harmonic free energy "
            "and no harmonic displacement parameters."
        )
        if _lowest_commensurate(phonopy, settings) >= UNSTABLE:
            message += (
                " At all wave vectors that fit the supercell the frequencies are real: a larger supercell tells whether"
                " those between them are."
            )
    result = PhononState(
        volume=state.volume,
        alpha_rh=state.alpha,
        pb_offset=state.offset,
        supercell=settings.supercell,
        distance=settings.distance,
        residual_force=largest_force(unmoved),
        gamma=gamma,
        lowest=lowest,
        lowest_where=where,
        bands=bands,
        density_of_states=_density_of_states(phonopy),
        nonanalytic=settings.nonanalytic,
        thermal=() if message else tuple(_thermal(phonopy, settings.temperatures)),
        message=message,
    )
    return result, _parameter_file(phonopy)


def _phonopy(crystal: Atoms, settings: PhononSettings) -> Phonopy:
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    state = RhombohedralState.from_atoms(crystal, settings.cation)
    atoms = state.to_atoms(settings.cation, settings.anion)
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions()
    )
    phonopy = Phonopy(cell, np.diag(settings.supercell), primitive_matrix=np.eye(3))
    phonopy.generate_displacements(settings.distance)
    return phonopy


def _to_ase(cell: Any) -> Atoms:
    return Atoms(cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)


def _sum_rule_violation(force_constants: FloatArray) -> float:
    return float(np.abs(force_constants.sum(axis=1)).max() / np.abs(force_constants).max())


def _add_nonanalytic(phonopy: Phonopy, settings: PhononSettings) -> None:
    given = settings.nonanalytic
    if given is not None:
        phonopy.nac_params = {
            "born": np.array([given.born_charges[symbol] * np.eye(3) for symbol in phonopy.primitive.symbols]),
            "dielectric": given.eps_inf * np.eye(3),
            "factor": Hartree * Bohr,
        }


def _gamma_modes(phonopy: Phonopy, settings: PhononSettings, violation: float) -> GammaModes:
    frequencies, shares = _modes_along(phonopy, None)
    optical = shares > ANTIPHASE
    longitudinal = None
    if settings.nonanalytic is not None:
        along, shares_along = _modes_along(phonopy, [1, 1, 1])
        longitudinal = float(along[shares_along > ANTIPHASE].max())
    lowest = int(np.flatnonzero(optical)[np.argmin(frequencies[optical])])
    acoustic = frequencies[~optical]
    return GammaModes(
        frequencies=sorted(frequencies.tolist()),
        transverse_optical=float(frequencies[lowest]),
        longitudinal_optical=longitudinal,
        antiphase=float(shares[lowest]),
        acoustic=float(acoustic[np.argmax(np.abs(acoustic))]),
        sum_rule=violation,
    )


def _modes_along(phonopy: Phonopy, direction: Sequence[float] | None) -> tuple[FloatArray, FloatArray]:
    """Return the frequencies at Gamma, and how much of each mode moves cations against anions."""
    found = phonopy.run_qpoints([[0, 0, 0]], with_eigenvectors=True, nac_q_direction=direction)
    vectors = np.asarray(found.eigenvectors)[0]
    first, second = phonopy.primitive.masses
    # Weighted by the roots of the masses, with the centre of mass at rest.
    antiphase = np.array([np.sqrt(second), -np.sqrt(first)]) / np.sqrt(first + second)
    parts = np.einsum("a,axm->xm", antiphase, vectors.reshape(2, 3, -1))
    return np.asarray(found.frequencies)[0] * WAVE_NUMBERS, np.asarray((np.abs(parts) ** 2).sum(axis=0))


def _bands(phonopy: Phonopy) -> Iterator[BandSegment]:
    paths = [np.linspace(POINTS[start], POINTS[end], SEGMENT_POINTS) for start, end in PATH]
    found = phonopy.run_band_structure(paths)
    for (start, end), distances, frequencies in zip(PATH, found.distances, found.frequencies or (), strict=True):
        yield BandSegment(
            start=start,
            end=end,
            distances=(2 * np.pi * np.asarray(distances)).tolist(),
            frequencies=(np.asarray(frequencies).T * WAVE_NUMBERS).tolist(),
        )


def _lowest(mesh: Mesh, gamma: GammaModes, bands: Sequence[BandSegment]) -> tuple[float, str]:
    frequencies = np.asarray(mesh.frequencies)
    index = int(frequencies.min(axis=1).argmin())
    q = ", ".join(f"{x:.3f}" for x in np.asarray(mesh.qpoints)[index])
    found = [(float(frequencies[index].min()) * WAVE_NUMBERS, f"q = ({q})"), (min(gamma.frequencies), "Γ")]
    for segment in bands:
        branch = np.min(segment.frequencies, axis=0)
        where = {0: segment.start, len(branch) - 1: segment.end}
        lowest = int(branch.argmin())
        found.append((float(branch[lowest]), where.get(lowest, f"{segment.start}–{segment.end}")))
    value, place = min(found)
    # The same frequency at a point that has a name is told by the name.
    named = [where for frequency, where in found[1:] if frequency < value - UNSTABLE / 10]
    return value, named[0] if named else place


def _lowest_commensurate(phonopy: Phonopy, settings: PhononSettings) -> float:
    """Return the lowest frequency at the wave vectors that the supercell holds whole waves of, cm^-1."""
    waves = np.array(list(product(*(range(n) for n in settings.supercell))))
    frequencies = np.asarray(phonopy.run_qpoints(waves / settings.supercell).frequencies)
    return float(frequencies.min() * WAVE_NUMBERS)


def _density_of_states(phonopy: Phonopy) -> DensityOfStates:
    width, pitch = (wave_number / WAVE_NUMBERS for wave_number in (DOS_WIDTH, DOS_PITCH))
    found = phonopy.run_projected_dos(sigma=width, freq_pitch=pitch, use_tetrahedron_method=False)
    by_atom = np.asarray(found.projected_dos) / WAVE_NUMBERS
    return DensityOfStates(
        frequencies=(np.asarray(found.frequency_points) * WAVE_NUMBERS).tolist(),
        total=by_atom.sum(axis=0).tolist(),
        by_element={symbol: one.tolist() for symbol, one in zip(phonopy.primitive.symbols, by_atom, strict=True)},
    )


def _thermal(phonopy: Phonopy, temperatures: Sequence[float]) -> Iterator[ThermalState]:
    properties = phonopy.run_thermal_properties(temperatures=temperatures, cutoff_frequency=LEAST_FREQUENCY)
    free_energies, entropies, heat_capacities = (
        np.asarray(found) for found in (properties.free_energy, properties.entropy, properties.heat_capacity)
    )
    displacements = phonopy.run_thermal_displacement_matrices(temperatures=temperatures, freq_min=LEAST_FREQUENCY)
    matrices = np.asarray(displacements.thermal_displacement_matrices)
    for i, temperature in enumerate(temperatures):
        u_iso = {
            symbol: float(np.trace(np.real(matrix)) / 3)
            for symbol, matrix in zip(phonopy.primitive.symbols, matrices[i], strict=True)
        }
        yield ThermalState(
            temperature=temperature,
            free_energy=float(free_energies[i]) * EV,
            entropy=float(entropies[i]) * MILLI_EV_PER_KELVIN,
            heat_capacity=float(heat_capacities[i]) * MILLI_EV_PER_KELVIN,
            u_iso=u_iso,
            b_iso={symbol: 8 * np.pi**2 * u for symbol, u in u_iso.items()},
        )


def _parameter_file(phonopy: Phonopy) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "phonopy_params.yaml"
        phonopy.save(path, settings={"force_constants": True})
        return path.read_text(encoding="utf-8")
