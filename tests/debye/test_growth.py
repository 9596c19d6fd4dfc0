"""Pairs of growing particles, against double loops over their atoms."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdsim.debye.growth import Counts, Kinds, PairGrowth, core_diameters, symmetry
from qdsim.structures import SHAPES, RhombohedralState, Shape, cut_rocksalt

FloatArray = npt.NDArray[np.float64]

EDGE = 5.936
CUBE = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
"""Primitive cell in half edges of the cubic one."""


class Pairs:
    """All ordered pairs of atoms of a particle, and the diameters from which on each atom is there, and in the core."""

    def __init__(self, body: Shape, centre: str, largest: float, thickness: float = 0.0):
        state = RhombohedralState.from_lattice_constant(EDGE)
        particle = cut_rocksalt("Pb", "S", state, body, largest, centre=centre)
        self.sites = particle.points.sites
        surface = np.round(body.smallest_diameters(particle.positions), 6)
        core, _ = core_diameters(body, particle.positions, thickness)
        halves = np.rint(2 / EDGE * (particle.positions[None] - particle.positions[:, None])).astype(int)
        apart = ~np.eye(len(surface), dtype=bool)
        self._squares, self._along = (halves**2).sum(axis=2), halves.sum(axis=2)
        self.there = surface, core
        self._apart = apart

    def sums(self, row: int, first: int, second: int, value: Any) -> dict[tuple[int, int], float]:
        """Add up a function of the diameter from which on pairs are there, by kind of vector.

        Rows are pairs of cations, of anions, and of a cation and an anion in both orders; `first` and `second` say
        whether the two atoms must be in the core.
        """
        i, j = np.nonzero(self._apart)
        sites = (0, 0) if row == 0 else (1, 1) if row == 1 else (0, 1)
        chosen = (self.sites[i] == sites[0]) & (self.sites[j] == sites[1])
        i, j = i[chosen], j[chosen]
        diameters = np.maximum(self.there[first][i], self.there[second][j])
        orders = 1 if row < 2 else 2
        sums: dict[tuple[int, int], float] = {}
        for kind, amount in zip(self._kinds(i, j, row), orders * value(diameters), strict=True):
            sums[kind] = sums.get(kind, 0.0) + amount
        return sums

    def _kinds(self, i: Any, j: Any, row: int) -> list[tuple[int, int]]:
        along = self._along[i, j]
        return list(zip(self._squares[i, j].tolist(), (np.abs(along) if row < 2 else along).tolist(), strict=True))


def by_kind(kinds: Kinds, values: FloatArray, row: int) -> dict[tuple[int, int], float]:
    vectors = np.rint(kinds.separations @ CUBE).astype(int)
    squares, along = (vectors**2).sum(axis=1), vectors.sum(axis=1)
    found = zip(squares.tolist(), (np.abs(along) if row < 2 else along).tolist(), strict=True)
    return {kind: value for kind, value in zip(found, (kinds.shares @ values).tolist(), strict=True) if value}


def agree(found: dict[tuple[int, int], float], expected: dict[tuple[int, int], float], rtol: float = 1e-9) -> bool:
    largest = max(map(abs, expected.values()), default=0.0)  # of one atom of a sublattice there are no pairs
    return all(abs(found.get(kind, 0) - expected.get(kind, 0)) <= rtol * largest for kind in found | expected)


BODIES = st.builds(
    lambda shape, elongation, axis: shape if elongation == 1 else shape.elongated(elongation, axis),
    st.sampled_from([*map(Shape.from_name, SHAPES), Shape.from_facets({"100": 1.0, "111": 1.1})]),
    st.sampled_from([1.0, 1.3]),
    st.sampled_from([(0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (1.0, 2.0, 4.0)]),
)
CENTRES = st.sampled_from(["cation", "anion", "bond", "void"])


@settings(max_examples=30, deadline=None)
@given(body=BODIES, centre=CENTRES, largest=st.floats(9, 20))
def test_every_pair_of_any_particle_is_counted(body: Shape, centre: str, largest: float) -> None:
    growth, pairs = PairGrowth(body, centre, EDGE, 7.0, largest, 0.1), Pairs(body, centre, largest)
    for row, counts in enumerate(growth.pairs()):
        kinds = growth.like if row < 2 else growth.unlike
        assert agree(by_kind(kinds, counts.sum(axis=1), row), pairs.sums(row, 0, 0, np.ones_like))
    np.testing.assert_allclose(growth.numbers.sum(axis=1), np.bincount(pairs.sites, minlength=2), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(body=BODIES, centre=CENTRES, thickness=st.sampled_from([0.0, 1.0, 2.968]))
def test_pairs_count_by_the_diameter_at_which_both_atoms_are_there_or_in_the_core(
    body: Shape, centre: str, thickness: float
) -> None:
    smallest, largest = 9.0, 18.0
    growth, pairs = PairGrowth(body, centre, EDGE, smallest, largest, 0.1), Pairs(body, centre, largest, thickness)

    def power(diameters: FloatArray) -> FloatArray:
        """Return a polynomial of ln D, which interpolation gives exactly; pairs that come too late are none."""
        return np.where(diameters <= largest, np.log(np.maximum(diameters, smallest)) ** 5, 0.0)

    values = np.log(growth.diameters) ** 5
    core, _ = growth.core(thickness, with_slopes=False)
    cases: list[tuple[Counts, list[tuple[int, int, int]]]] = [
        (growth.pairs(), [(0, 0, 0), (1, 0, 0), (2, 0, 0)]),
        (core.mixed, [(0, 0, 1), (1, 0, 1), (2, 1, 0), (2, 0, 1)]),
        (core.inside, [(0, 1, 1), (1, 1, 1), (2, 1, 1)]),
    ]
    for counted, places in cases:
        for counts, (row, first, second) in zip(counted, places, strict=True):
            kinds = growth.like if row < 2 else growth.unlike
            expected = pairs.sums(row, first, second, power)
            assert agree(by_kind(kinds, counts @ values, row), expected, 1e-8)


@pytest.mark.parametrize("body", [Shape(), Shape.from_facets({"100": 1.0, "111": 1.1}), Shape().elongated(1.3)])
def test_counts_of_the_core_move_with_the_thickness_of_the_shell(body: Shape) -> None:
    growth = PairGrowth(body, "cation", EDGE, 9.0, 18.0, 0.1)
    values = np.exp(-((growth.diameters - 13) ** 2))  # nothing comes or goes at the ends
    step, thickness = 3e-3, 1.234  # diameters are rounded to 1e-6 Å
    _, slopes = growth.core(thickness, with_slopes=True)
    assert slopes is not None
    (thin, _), (thick, _) = (growth.core(thickness + sign * step, with_slopes=False) for sign in (-1, 1))
    for name in ("mixed", "inside"):
        for low, high, slope in zip(getattr(thin, name), getattr(thick, name), getattr(slopes, name), strict=True):
            expected = (high - low) @ values / (2 * step)
            np.testing.assert_allclose(slope @ values, expected, rtol=0, atol=1e-3 * np.abs(expected).max())
    expected = (thick.numbers - thin.numbers) @ values / (2 * step)
    np.testing.assert_allclose(slopes.numbers @ values, expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("body", "centre", "order"),
    [
        (Shape(), "cation", 48),
        (Shape.from_name("octahedron"), "anion", 48),
        (Shape(), "void", 24),
        (Shape(), "bond", 8),
        (Shape().elongated(1.3), "cation", 16),
        (Shape().elongated(1.3, (1.0, 1.0, 1.0)), "cation", 12),
        (Shape().elongated(1.3, (1.0, 2.0, 4.0)), "cation", 2),
    ],
)
def test_symmetry_is_that_of_body_and_lattice(body: Shape, centre: str, order: int) -> None:
    assert len(symmetry(body, centre)) == order
