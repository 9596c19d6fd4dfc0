"""How often each lattice vector occurs in the particles of a model, on average over their sizes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, exp, floor, lgamma, log, log2, pi

import numpy as np
import numpy.typing as npt

from qdsim.debye.growth import INTERPOLATION, NODES, Counts, Kinds, PairGrowth, Progress
from qdsim.debye.models import PARAMETERS, Lognormal, NanocrystalModel
from qdsim.debye.particles import CLASSES, LIKE, LISTS, ROWS, UNLIKE, ParticleLibrary, add_weighted
from qdsim.errors import QdsimError

FloatArray = npt.NDArray[np.float64]
Means = list[FloatArray]

GEOMETRY = ("lattice_constant", "size_strain", "alpha_rh", "pb_offset")
DISPLACEMENTS = ("b_iso_cation", "b_iso_anion")
MIXTURE = tuple(name for name in PARAMETERS if name not in (*GEOMETRY, *DISPLACEMENTS))
"""Parameters that change how often each distance occurs, not the distances."""

MOST_PAIRS = 3e9
"""Pairs counted from inequivalent atoms, in half a minute: spheres up to 300 Å. A few larger sizes, counted one by one,
stand for the rest of a distribution. Where that is 4 % of what scatters, intensities are wrong by up to 3e-3 beyond
64 Å, and by less the larger the particles are and the fewer of them there are."""
MOST_PAIRS_WITH_CORE = 3e8
"""Likewise with a core, where pairs are counted three times and anew for each thickness: spheres up to 200 Å."""
LARGEST = 600.0
"""Å; a particle of this size has more than four million atoms."""
SMALL_ANGLES = 1.0
"""Å^-1, below which large particles scatter with the square of their volume; peaks are as high as volume times size."""

_FUNCTIONS = {"diameter": 1, "diameter_sd": 2}  # row of the distribution's change with a parameter
_FEWEST_STRAINS = 4
_LARGEST_STRAIN = 2.0  # Å, of `size_strain`; fixed, so that the pattern is a smooth function of it
_ALL = 2.0  # widths of the distribution beyond the last node, which lies at its end
_PANEL = 1.5  # widths of the distribution within which four sizes stand for all that are counted one by one
_MARGIN = 0.5  # widths of the distribution by which more sizes are counted than are asked for


class TooLargeError(QdsimError):
    """Particles of these sizes cannot be computed."""


@dataclass(frozen=True)
class Batch:
    """Particles with one lattice: weights of the two lists of vectors, and that lattice's size.

    Attributes
    ----------
    diameter
        Å; None for all sizes together.
    separations
        Vectors from atom to atom in cells, for each list, shape (k, 3).
    weights
        For each list, shape (1 + changes, rows of the list, k).
    """

    diameter: float | None
    separations: tuple[FloatArray, FloatArray]
    weights: tuple[FloatArray, FloatArray]


class Mixture:
    """Pair counts of a model's particles, averaged over sizes.

    Parameters
    ----------
    model
        Its shape, and whether its particles differ in size.
    library
        Pair counts of its particles.
    rtol
        Part of the intensity of a size distribution that may be missing or wrong, as long as pairs up to the largest
        particles can be counted at once, see `MOST_PAIRS`.
    q_range
        Smallest and largest Q, Å^-1.
    """

    def __init__(self, model: NanocrystalModel, library: ParticleLibrary, rtol: float, q_range: tuple[float, float]):
        self._is_distribution = model.diameter_sd > 0
        self._library, self._rtol = library, rtol
        self._q_min, self._q_max = q_range

    def mix(
        self,
        numbers: Mapping[str, float],
        changes: Sequence[str] = (),
        *,
        strained: bool = False,
        linear: bool = True,
        progress: Progress | None = None,
    ) -> tuple[list[Batch], FloatArray]:
        """Count the pairs of all particles.

        Parameters
        ----------
        numbers
            All parameters of the model.
        changes
            Parameters in `MIXTURE` whose changes are wanted, too.
        strained
            Whether the lattice depends on the size, so that sizes must stay apart.
        linear
            Whether self-scattering counts occupancies or their squares, see `qdsim.debye.intensity`.
        progress
            Called with parts, or particles, counted and to be counted.

        Returns
        -------
        batches, atoms
            Pairs, and the mean numbers of atoms in each class that count in the self term, shape (1 + changes, 4).

        Raises
        ------
        TooLargeError
            If the distribution goes beyond `LARGEST`.
        """
        occupied = _Occupied(numbers, changes, linear)
        if not self._is_distribution:
            one = np.array([numbers["diameter"]]), np.array([[1.0], [0.0], [0.0]])
            return self._one_by_one(*one, occupied, strained, progress)
        sizes = self._sizes(numbers, occupied.has_core)
        strains = _Strains((sizes.smallest, sizes.largest), self._q_max, self._rtol) if strained else _NoStrains()
        batches: list[Batch] = []
        atoms = np.zeros((1 + len(changes), len(CLASSES)))
        if sizes.smallest < sizes.exact:
            batches, atoms = self._counted_at_once(sizes, strains, occupied, progress)
        if sizes.largest > sizes.exact:
            more, more_atoms = self._one_by_one(*sizes.beyond, occupied, strained, progress)
            batches, atoms = batches + more, atoms + more_atoms
        return batches, atoms

    def composition(self, numbers: Mapping[str, float]) -> tuple[float, float]:
        """Return the mean numbers of cations and anions in a particle, vacancies left out.

        Parameters
        ----------
        numbers
            All parameters of the model.
        """
        _, atoms = self.mix(numbers)
        there = 1.0
        if self._is_distribution:  # of a cell or more
            sizes = self._sizes(numbers, with_core=False)
            there = float(sizes.distribution.larger(np.array([sizes.smallest]))[0, 0])
        return float(atoms[0, :2].sum() / there), float(atoms[0, 2:].sum() / there)

    def exact_up_to(self, numbers: Mapping[str, float]) -> float | None:
        """Return the diameter beyond which a few sizes stand for the others, Å; None where all sizes count.

        Parameters
        ----------
        numbers
            All parameters of the model.
        """
        if not self._is_distribution:
            return None
        sizes = self._sizes(numbers, _Occupied(numbers, (), linear=True).has_core)
        return sizes.exact if sizes.largest > sizes.exact else None

    def _sizes(self, numbers: Mapping[str, float], with_core: bool) -> "_Sizes":
        distribution = Lognormal(numbers["diameter"], numbers["diameter_sd"])
        beyond = self._rtol / 3
        smallest = max(distribution.moment_range(3, beyond)[0], self._library.lattice_constant)
        power = 4 if self._q_min > SMALL_ANGLES else 6
        largest = max(distribution.moment_range(power, beyond)[1], 1.5 * smallest)
        if largest > LARGEST:
            raise TooLargeError(
                f"The size distribution goes up to particles of {largest:.0f} Å, and {LARGEST:g} Å is the most that "
                "can be computed: make 'diameter' or 'diameter_sd' smaller; both are in Å."
            )
        most = MOST_PAIRS_WITH_CORE if with_core else MOST_PAIRS
        atoms = (2 * self._library.symmetry_order * most) ** 0.5
        exact = float((6 / pi * atoms * self._library.lattice_constant**3 / 8) ** (1 / 3))
        return _Sizes(distribution, smallest, largest, exact)

    def _counted_at_once(
        self, sizes: "_Sizes", strains: "_Strains | _NoStrains", occupied: "_Occupied", progress: Progress | None
    ) -> tuple[list[Batch], FloatArray]:
        """Average over the sizes whose pairs are counted at once."""
        distribution, last = sizes.distribution, sizes.exact if sizes.largest > sizes.exact else None
        step = 2.0 ** floor(log2(distribution.width * (self._rtol / 10 / INTERPOLATION) ** (1 / NODES)))
        margin = exp(_MARGIN * distribution.width)
        growth = self._library.grown(sizes.smallest, last or sizes.largest, step, margin, sizes.exact)
        growth.pairs(progress)
        batches, atoms = [], np.zeros((len(occupied.functions), len(CLASSES)))
        for diameter, values in strains.above(growth.diameters, distribution, last):
            whole, mixed, inside, numbers, core = _means(growth, values, occupied)
            batches.append(_of_kinds(growth, diameter, occupied.pairs(whole, mixed, inside)))
            atoms += occupied.atoms(numbers, core)
        return batches, atoms

    def _one_by_one(
        self,
        diameters: FloatArray,
        fractions: FloatArray,
        occupied: "_Occupied",
        strained: bool,
        progress: Progress | None,
    ) -> tuple[list[Batch], FloatArray]:
        """Add up particles whose pairs are counted one by one.

        Parameters
        ----------
        diameters, fractions
            Sizes, Å, shape (n,), and their number fractions with the changes of these, shape (3, n).
        occupied
            What stands on the sites.
        strained
            Whether they stay apart.
        progress
            As for `mix`.
        """
        library, thickness = self._library, occupied.thickness
        wanted = [library.size(diameter, thickness) for diameter in diameters.tolist()]
        missing = library.missing(wanted, thickness)
        for done, one in enumerate(missing, 1):
            library.particle(*one, thickness)
            if progress is not None:
                progress(done, len(missing))
        batches, weights = [], self._empty(occupied)
        atoms = np.zeros((len(occupied.functions), len(CLASSES)))
        for one, diameter, share in zip(wanted, diameters.tolist(), fractions[occupied.functions].T, strict=True):
            particle = library.particle(*one, thickness)
            atoms += share[:, None] * occupied.singles * particle.atoms
            for sites, pairs in particle.pairs.items():
                which, line = LISTS[sites]
                coefficients = share[:, None] * occupied.products[:, pairs.classes[:, 0], pairs.classes[:, 1]]
                add_weighted(weights[which][:, line], pairs.places, pairs.counts, coefficients)
            if strained:
                batches.append(self._of_list(diameter, weights))
                weights = self._empty(occupied)
        return batches or [self._of_list(None, weights)], atoms

    def _empty(self, occupied: "_Occupied") -> tuple[FloatArray, ...]:
        rows = len(occupied.functions)
        return tuple(np.zeros((rows, ROWS[which], len(self._library.vectors(which)))) for which in (LIKE, UNLIKE))

    def _of_list(self, diameter: float | None, weights: tuple[FloatArray, ...]) -> Batch:
        """Keep the vectors that occur."""
        separations, kept = [], []
        for which in (LIKE, UNLIKE):
            occurs = np.flatnonzero(weights[which].any(axis=(0, 1)))
            separations.append(self._library.separations(which)[occurs])
            kept.append(np.ascontiguousarray(weights[which][..., occurs]))
        return Batch(diameter, (separations[LIKE], separations[UNLIKE]), (kept[LIKE], kept[UNLIKE]))


class _Occupied:
    """What stands on the sites of a model's particles, and how it changes with parameters.

    Attributes
    ----------
    functions
        Row of a distribution's values that the mean, and its change with each parameter, is made of, 1 + changes.
    singles, products
        How atoms of each class count alone, shape (1 + changes, 4), and in pairs, shape (1 + changes, 4, 4).
    thickness
        Of the shell, Å.
    moving
        Row of the change with the thickness, if it is asked for.
    has_core
        Whether core and shell differ.
    """

    def __init__(self, numbers: Mapping[str, float], changes: Sequence[str], linear: bool):
        self.functions = [0, *(_FUNCTIONS.get(name, 0) for name in changes)]
        self.thickness = numbers["shell_thickness"]
        self.moving = 1 + changes.index("shell_thickness") if "shell_thickness" in changes else None
        self.has_core = self.thickness > 0 or self.moving is not None
        occupancy = np.array([numbers[f"occupancy_{one}"] for one in CLASSES])
        self.singles = np.tile(occupancy if linear else occupancy**2, (1 + len(changes), 1))
        self.products = np.tile(np.outer(occupancy, occupancy), (1 + len(changes), 1, 1))
        for row, name in enumerate(changes, 1):
            if name.startswith("occupancy_"):
                unit = np.eye(len(CLASSES))[CLASSES.index(name.removeprefix("occupancy_"))]
                self.singles[row] = unit if linear else 2 * occupancy * unit
                self.products[row] = np.outer(unit, occupancy) + np.outer(occupancy, unit)

    def mean(self, values: FloatArray, slopes: FloatArray | None = None) -> FloatArray:
        """Pick the mean and its changes from those of a distribution.

        Parameters
        ----------
        values
            Mean, and its changes with the mean and the standard deviation of the diameter, shape (3, n).
        slopes
            Change with the thickness of the shell, shape (n,), or None where there is none.

        Returns
        -------
        ndarray, shape (1 + changes, n)
        """
        mean = values[self.functions]
        if self.moving is not None:
            mean[self.moving] = 0.0 if slopes is None else slopes
        return np.asarray(mean)

    def atoms(self, whole: FloatArray, core: FloatArray | None) -> FloatArray:
        """Return the numbers of atoms of each class that count in the self term, shape (1 + changes, 4).

        Parameters
        ----------
        whole, core
            Cations and anions, each with their changes, shape (1 + changes, 2); without a core None.
        """
        inside = whole if core is None else core
        return np.asarray(self.singles * np.stack([inside, whole - inside], axis=2).reshape(-1, len(CLASSES)))

    def pairs(self, whole: Means, mixed: Means, inside: Means) -> tuple[FloatArray, FloatArray]:
        """Return the weights of vectors between like atoms and between unlike ones, shape (1 + changes, rows, n).

        An atom counts with the occupancy of the shell from the diameter on at which it is there, and with the
        difference to that of the core from the diameter on at which it is in the core.

        Parameters
        ----------
        whole, mixed, inside
            As in `qdsim.debye.growth`, each shape (1 + changes, n); without a core the last two are empty.
        """
        p = self.products
        if not self.has_core:
            cations, anions, unlike = (
                p[:, a, b, None] * mean for (a, b), mean in zip(((0, 0), (2, 2), (0, 2)), whole, strict=True)
            )
            return np.stack([cations, anions], axis=1), unlike[:, None]
        like = []
        for row, (inner, outer) in enumerate(((0, 1), (2, 3))):
            once = p[:, inner, outer] - p[:, outer, outer]
            twice = p[:, inner, inner] - 2 * p[:, inner, outer] + p[:, outer, outer]
            like.append(
                p[:, outer, outer, None] * whole[row] + 2 * once[:, None] * mixed[row] + twice[:, None] * inside[row]
            )
        unlike = (
            p[:, 1, 3, None] * whole[2]
            + (p[:, 0, 3] - p[:, 1, 3])[:, None] * mixed[2]
            + (p[:, 1, 2] - p[:, 1, 3])[:, None] * mixed[3]
            + (p[:, 0, 2] - p[:, 0, 3] - p[:, 1, 2] + p[:, 1, 3])[:, None] * inside[2]
        )
        return np.stack(like, axis=1), unlike[:, None]


@dataclass(frozen=True)
class _Sizes:
    """A distribution of sizes.

    Attributes
    ----------
    distribution
        Of the diameters.
    smallest, largest
        Beyond which nothing scatters, Å.
    exact
        Up to which all pairs can be counted at once, Å.
    """

    distribution: Lognormal
    smallest: float
    largest: float
    exact: float

    @property
    def beyond(self) -> tuple[FloatArray, FloatArray]:
        """Sizes that stand for all that are not counted at once, Å, shape (n,), and their fractions, shape (3, n).

        They are the same for distributions that differ a little, so that they are counted once.
        """
        points, weights = np.polynomial.legendre.leggauss(4)
        panel = 2.0 ** floor(log2(_PANEL * self.distribution.width))
        first = floor(max(log(self.smallest / self.exact), 0) / panel)
        panels = np.arange(first, ceil(log(self.largest / self.exact) / panel))
        diameters = self.exact * np.exp(panel * (panels[:, None] + (points + 1) / 2)).ravel()
        return diameters, self.distribution.density(diameters) * np.tile(weights, len(panels)) * panel / 2


class _NoStrains:
    """One lattice for all sizes."""

    def above(
        self, diameters: FloatArray, distribution: Lognormal, last: float | None
    ) -> Iterator[tuple[float | None, FloatArray]]:
        """Yield the lattice, and the shares of the particles from each diameter on, or to a last one, shape (3, m)."""
        larger = distribution.larger(diameters)
        yield None, larger if last is None else larger - distribution.larger(np.array([last]))


class _Strains:
    """Lattices of some sizes, which stand for those of all.

    The sine of a distance goes smoothly with 1/D, in which it is interpolated between Chebyshev nodes.

    Parameters
    ----------
    limits
        Smallest and largest diameter, Å.
    q_max
        Largest Q, Å^-1.
    rtol
        Error of the interpolation.
    """

    def __init__(self, limits: tuple[float, float], q_max: float, rtol: float):
        low, high = 1 / limits[1], 1 / limits[0]
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        half_phase = q_max * limits[1] * _LARGEST_STRAIN * self._half / 2
        n = next(
            n
            for n in count(_FEWEST_STRAINS)
            if n * log(max(half_phase, 1e-9)) - lgamma(n + 1) < log(rtol) and n > half_phase
        )
        angles = pi * (np.arange(n) + 0.5) / n
        self._terms = np.arange(n)
        self._nodes = self._middle + self._half * np.cos(angles)
        self._to_nodes = np.cos(np.outer(self._terms, angles)) * np.where(self._terms == 0, 1, 2)[:, None] / n

    def above(
        self, diameters: FloatArray, distribution: Lognormal, last: float | None
    ) -> Iterator[tuple[float | None, FloatArray]]:
        """Yield lattices, and the shares of their particles from each diameter on, or to a last one, shape (3, m)."""
        # by Gauss and Legendre between neighbouring diameters, and from the last node to where the shares end
        points, weights = np.polynomial.legendre.leggauss(NODES)
        end = diameters[-1] * exp(_ALL * distribution.width) if last is None else last
        places = np.log(np.append(diameters, end))
        low, lengths = places[:-1], np.diff(places)
        at = np.exp(low[:, None] + np.outer(lengths, (points + 1) / 2))
        density = distribution.density(at) * np.outer(lengths, weights / 2)
        angles = np.arccos(np.clip((1 / at - self._middle) / self._half, -1, 1))
        shares = np.cos(angles[..., None] * self._terms) @ self._to_nodes
        parts = np.einsum("fmp,mpl->lfm", density, shares)
        above = parts[..., ::-1].cumsum(axis=-1)[..., ::-1]
        yield from zip((1 / self._nodes).tolist(), above, strict=True)


def _means(
    growth: PairGrowth, values: FloatArray, occupied: _Occupied
) -> tuple[Means, Means, Means, FloatArray, FloatArray | None]:
    """Average counts on nodes: pairs of the whole, with the core, and within it; atoms of the whole and of the core."""
    whole = [occupied.mean(values @ one.T) for one in growth.pairs()]
    numbers = occupied.mean(values @ growth.numbers.T)
    if not occupied.has_core:
        return whole, [], [], numbers, None
    core, slopes = growth.core(occupied.thickness, with_slopes=occupied.moving is not None)

    def means(counts: Counts, changes: Counts | None) -> list[FloatArray]:
        return [
            occupied.mean(values @ one.T, None if changes is None else changes[i] @ values[0])
            for i, one in enumerate(counts)
        ]

    mixed = means(core.mixed, slopes and slopes.mixed)
    inside = means(core.inside, slopes and slopes.inside)
    (of_core,) = means((core.numbers,), slopes and (slopes.numbers,))
    return whole, mixed, inside, numbers, of_core


def _of_kinds(growth: PairGrowth, diameter: float | None, pairs: tuple[FloatArray, FloatArray]) -> Batch:
    """Sort equivalent vectors by kinds."""
    kinds = growth.like, growth.unlike
    weights = [_by_kind(one, counted) for one, counted in zip(kinds, pairs, strict=True)]
    return Batch(diameter, (kinds[0].separations, kinds[1].separations), (weights[0], weights[1]))


def _by_kind(kinds: Kinds, counted: FloatArray) -> FloatArray:
    changes, rows, n = counted.shape
    return np.ascontiguousarray((kinds.shares @ counted.reshape(-1, n).T).T).reshape(changes, rows, -1)
