"""Patterns of a nanocrystal model and their derivatives with respect to every one of its numbers."""

from collections.abc import Mapping, Sequence
from math import pi

import numpy as np
import numpy.typing as npt

from qdsim.debye.compiled import compiled
from qdsim.debye.form_factors import Scattering, element_amplitudes
from qdsim.debye.growth import Progress
from qdsim.debye.intensity import check_q
from qdsim.debye.mixtures import DISPLACEMENTS, GEOMETRY, MIXTURE, Batch, Mixture
from qdsim.debye.models import PARAMETERS, NanocrystalModel
from qdsim.debye.particles import LIKE, ROWS, UNLIKE, ParticleLibrary, shared_library
from qdsim.debye.transform import SincTransform
from qdsim.errors import QdsimError
from qdsim.structures import POLAR_AXIS, RhombohedralState

FloatArray = npt.NDArray[np.float64]

RTOL = 1e-6
"""Part of the intensity of a size distribution that may be missing or wrong."""


class ModelPattern:
    """The intensity of a model as a function of its parameters.

    Which atoms there are is decided on the undistorted lattice that the model has at first: sizes and thicknesses
    stay in proportion to the lattice constant when that changes.

    Parameters
    ----------
    model
        The model; parameters that are not varied keep its values.
    q
        Å^-1, shape (n,).
    vary
        Names of the parameters to be varied.
    scattering
        Radiation, form factors, self term.
    library
        Counts of pairs; by default those of the last patterns of the same shape, centre and lattice constant.
    rtol
        Part of the intensity of a size distribution that may be missing or wrong at any Q, where no spheres beyond
        300 Å count, or 200 Å with a shell, or other bodies of somewhat less; see `qdsim.debye.mixtures.MOST_PAIRS`.

    Raises
    ------
    QdsimError
        If a parameter cannot be varied in this model, or Q is not a list of numbers from 0 up.
    """

    def __init__(
        self,
        model: NanocrystalModel,
        q: FloatArray,
        vary: Sequence[str] = (),
        scattering: Scattering | None = None,
        library: ParticleLibrary | None = None,
        rtol: float = RTOL,
    ):
        _check_varied(model, vary)
        self.model = model
        self.q = check_q(q)
        self.vary = tuple(vary)
        self.library = library or shared_library(model.body(), model.centre, model.lattice_constant)
        self._start = {name: float(getattr(model, name)) for name in PARAMETERS}
        self._self_term = (scattering or Scattering()).self_term
        self._factors, self._alone = _factors(model, self.q, scattering or Scattering())
        self._mixture = Mixture(model, self.library, rtol, (float(self.q.min()), float(self.q.max())))
        self._mixed: tuple[tuple[float, ...], list[Batch], FloatArray] | None = None

    def intensity(self, values: Mapping[str, float], progress: Progress | None = None) -> FloatArray:
        """Return the mean intensity of a particle.

        Parameters
        ----------
        values
            Of the varied parameters; those left out keep the model's.
        progress
            Called with parts of the pairs counted and to be counted.

        Returns
        -------
        ndarray, shape (n,)
            Electrons squared (fm^2 for neutrons).

        Raises
        ------
        QdsimError
            If a value is of no parameter.
        """
        return self._evaluate(values, (), progress)[0]

    def with_changes(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Return the intensity, and its derivatives with respect to `vary`, shape (len(vary), n)."""
        return self._evaluate(values, self.vary, None)

    def composition(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Return the mean numbers of cations and anions in a particle, vacancies left out."""
        return self._mixture.composition(self._start | dict(values))

    def exact_up_to(self, values: Mapping[str, float]) -> float | None:
        """Return the diameter up to which `rtol` holds, Å; None where no larger particles count."""
        return self._mixture.exact_up_to(self._start | dict(values))

    def _evaluate(
        self, values: Mapping[str, float], wanted: Sequence[str], progress: Progress | None
    ) -> tuple[FloatArray, FloatArray]:
        numbers = self._start | dict(values)
        if len(numbers) > len(self._start):
            unknown = ", ".join(set(values) - set(PARAMETERS))
            raise QdsimError(f"'{unknown}' is no parameter of a model: give values of {', '.join(PARAMETERS)}.")
        batches, atoms = self._mix(numbers, bool(wanted), progress)
        moved = [name for name in GEOMETRY if name in wanted]
        placed = [
            (batch.weights[which], which, *self._distances(numbers, batch, which, moved))
            for batch in batches
            for which in (LIKE, UNLIKE)
        ]
        transform = SincTransform(self.q, max(float(distances.max(initial=0.0)) for _, _, distances, _ in placed))
        shapes = [(batches[0].weights[which].shape[0], ROWS[which]) for which in (LIKE, UNLIKE)]
        shapes += [(len(moved), ROWS[which]) for which in (LIKE, UNLIKE)]
        edges = np.cumsum([0, *(changes * rows for changes, rows in shapes)])
        grid = transform.grid(int(edges[-1]))
        for weights, which, distances, slopes in placed:
            rows = grid[edges[which] : edges[which + 1]]
            transform.spread(distances, weights.reshape(len(rows), -1), rows)
            if moved:
                transform.spread_changes(distances, weights[0], slopes, grid[edges[which + 2] : edges[which + 3]])
        sums = transform(grid)
        like, unlike, like_moved, unlike_moved = (
            sums[edges[i] : edges[i + 1]].reshape(*shape, self.q.size) for i, shape in enumerate(shapes)
        )
        damped = self._factors * _displaced(self.q, numbers)
        pairs = np.concatenate([like, unlike], axis=1) * damped
        pairs_moved = np.concatenate([like_moved, unlike_moved], axis=1) * damped
        mixed = pairs.sum(axis=1) + atoms @ self._alone

        changes = np.empty((len(wanted), self.q.size))
        mixture = [name for name in MIXTURE if name in wanted]
        for i, name in enumerate(wanted):
            if name in moved:
                changes[i] = pairs_moved[moved.index(name)].sum(axis=0)
            elif name in mixture:
                changes[i] = mixed[1 + mixture.index(name)]
            else:
                of_each = np.array([2, 0, 1] if name == "b_iso_cation" else [0, 2, 1])
                changes[i] = -(self.q**2) / (16 * pi**2) * (of_each @ pairs[0])
        return mixed[0], changes

    def _distances(
        self, numbers: Mapping[str, float], batch: Batch, which: int, moved: Sequence[str]
    ) -> tuple[FloatArray, FloatArray]:
        """Return the distances of a batch, shape (k,), and their changes with `moved`, shape (len(moved), k), Å."""
        shrink = 0.0 if batch.diameter is None else 1 / batch.diameter
        edge = numbers["lattice_constant"] * (1 - numbers["size_strain"] * shrink)
        state = RhombohedralState.from_lattice_constant(edge, numbers["alpha_rh"], numbers["pb_offset"])
        cells, shifts = [state.cell], [-state.offset * POLAR_AXIS * (which == UNLIKE)]
        for name in moved:
            cells.append(_cell_change(name, state, numbers["lattice_constant"], shrink))
            shifts.append(-POLAR_AXIS * (name == "pb_offset" and which == UNLIKE))
        return _measure(batch.separations[which], np.array(cells), np.array(shifts))

    def _mix(
        self, numbers: Mapping[str, float], with_changes: bool, progress: Progress | None
    ) -> tuple[list[Batch], FloatArray]:
        """Return the batches, and the mean number of atoms that count in the self term, by class and change."""
        strained = numbers["size_strain"] != 0 or "size_strain" in self.vary
        key = (with_changes, strained, *(numbers[name] for name in MIXTURE))
        if self._mixed is None or self._mixed[0] != key:
            changes = [name for name in MIXTURE if with_changes and name in self.vary]
            linear = self._self_term == "linear"
            mixed = self._mixture.mix(numbers, changes, strained=strained, linear=linear, progress=progress)
            self._mixed = (key, *mixed)
        return self._mixed[1:]


def _cell_change(name: str, state: RhombohedralState, lattice_constant: float, shrink: float) -> FloatArray:
    """Return how the cell changes with a parameter in `GEOMETRY`; `shrink` is 1/D in a = a0 (1 - Omega/D)."""
    match name:
        case "lattice_constant":
            return state.cell / lattice_constant
        case "size_strain":
            return -state.cell * shrink * lattice_constant / state.lattice_constant
        case "alpha_rh":
            return state.cell_alpha_derivative
    return np.zeros((3, 3))


def _check_varied(model: NanocrystalModel, vary: Sequence[str]) -> None:
    for name in vary:
        if name not in PARAMETERS:
            raise QdsimError(f"'{name}' is no parameter of a model: vary some of {', '.join(PARAMETERS)}.")
    if {"diameter", "diameter_sd", "shell_thickness"} & set(vary) and model.diameter_sd == 0:
        raise QdsimError(
            "The sizes cannot be varied in a model of one size, which grows atom by atom: give 'diameter_sd' above 0."
        )
    shell = {"occupancy_cation_shell", "occupancy_anion_shell"} & set(vary)
    if shell and model.shell_thickness == 0 and "shell_thickness" not in vary:
        raise QdsimError(f"'{min(shell)}' is varied, but the model has no shell: give 'shell_thickness' above 0.")


def _factors(model: NanocrystalModel, q: FloatArray, scattering: Scattering) -> tuple[FloatArray, FloatArray]:
    """Return Re(f_a f_b*) of cation-cation, anion-anion and cation-anion pairs, and |f|^2 of each class."""
    elements = (model.cation, model.anion)
    amplitudes = element_amplitudes(elements, q, scattering, f"the model has {model.cation} and {model.anion}")
    cation, anion = (amplitudes[symbol] for symbol in elements)
    squares = np.abs(cation) ** 2, np.abs(anion) ** 2
    return np.array([*squares, (cation * anion.conj()).real]), np.array([squares[0]] * 2 + [squares[1]] * 2)


def _displaced(q: FloatArray, numbers: Mapping[str, float]) -> FloatArray:
    """Return T_a T_b of the three kinds of pairs, shape (3, n)."""
    cation, anion = (numbers[name] for name in DISPLACEMENTS)
    return np.asarray(np.exp(np.outer([2 * cation, 2 * anion, cation + anion], -(q**2) / (16 * pi**2))))


@compiled("Tuple((f8[::1], f8[:, ::1]))(f8[:, ::1], f8[:, :, ::1], f8[:, ::1])")
def _measure(vectors: FloatArray, cells: FloatArray, shifts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return |n C + s| for the first cell and shift, and its change along each of the others."""
    distances = np.empty(len(vectors))
    slopes = np.empty((len(cells) - 1, len(vectors)))
    direction = np.empty(3)
    for k in range(len(vectors)):
        squared = 0.0
        for axis in range(3):
            direction[axis] = shifts[0, axis]
            for i in range(3):
                direction[axis] += vectors[k, i] * cells[0, i, axis]
            squared += direction[axis] ** 2
        distances[k] = np.sqrt(squared)
        for change in range(len(cells) - 1):
            slope = 0.0
            for axis in range(3):
                along = shifts[1 + change, axis]
                for i in range(3):
                    along += vectors[k, i] * cells[1 + change, i, axis]
                slope += along * direction[axis]
            slopes[change, k] = slope / distances[k]
    return distances, slopes
