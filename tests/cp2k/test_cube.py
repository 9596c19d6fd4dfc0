from pathlib import Path

import numpy as np
import pytest
from ase.io.cube import read_cube
from ase.units import Bohr, Hartree

from qdsim.cp2k.cube import ElectrostaticPotential, read_potential
from qdsim.errors import QdsimError

RECORDED = Path(__file__).parent / "recorded"
POTENTIAL = RECORDED / "2023.1" / "potential" / "aiida-v_hartree-1_0.cube"

#: Charge and radius (bohr) of the cores in GTH_POTENTIALS: Gaussians exp(-r^2 / (2 radius^2)).
CORES = {"Pb": (4, 0.6175), "S": (6, 0.42)}
SKEW = np.array([[5.0, 0.3, -0.2], [1.1, 6.0, 0.4], [-0.7, 0.5, 7.0]])


@pytest.mark.parametrize("version", ["2023.1", "2025.1"])
def test_the_potential_is_that_of_poissons_equation(version: str) -> None:
    """CP2K's electron density and the cores give the potential energy of an electron: its unit, sign and order."""
    folder = RECORDED / version / "potential"
    potential = read_potential(folder / "aiida-v_hartree-1_0.cube")
    with (folder / "aiida-ELECTRON_DENSITY-1_0.cube").open() as file:
        cube = read_cube(file)
    atoms, electrons = cube["atoms"], cube["data"]
    volume = atoms.cell.volume / Bohr**3
    assert electrons.mean() * volume == pytest.approx(10, abs=1e-3)
    assert np.allclose(potential.cell, atoms.cell, atol=1e-6)

    orders = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in electrons.shape), indexing="ij"), axis=-1)
    waves = orders @ (2 * np.pi * np.linalg.inv(np.asarray(atoms.cell) / Bohr).T)
    squares = np.sum(waves**2, axis=-1)
    density = np.fft.fftn(electrons) / electrons.size
    for symbol, place in zip(atoms.symbols, atoms.positions / Bohr, strict=True):
        charge, radius = CORES[symbol]
        density -= charge / volume * np.exp(-squares * radius**2 / 2 - 1j * waves @ place)
    resolved = (squares > 0) & (squares < 15)
    expected = 4 * np.pi * density[resolved] / squares[resolved] * Hartree
    found = (np.fft.fftn(potential.values) / potential.values.size)[resolved]
    assert np.abs(expected).max() > 1
    assert np.allclose(found, expected, atol=5e-4)


def test_an_electron_is_drawn_to_the_cores() -> None:
    potential = read_potential(POTENTIAL)
    lead, sulphur = potential.site_averages([(3.304, 3.104, 2.804), (0, 0, 0)], radius=0.5)
    assert sulphur < lead < -40
    assert potential.values.mean() == pytest.approx(0, abs=1e-3)


def test_reads_an_open_file() -> None:
    with POTENTIAL.open() as file:
        assert np.array_equal(read_potential(file).values, read_potential(POTENTIAL).values)


def wave(shape: tuple[int, int, int], orders: tuple[int, int, int], phase: float = 0.4) -> ElectrostaticPotential:
    """2.5 eV times the cosine of a plane wave, on 0.7 eV."""
    fractions = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
    return ElectrostaticPotential(SKEW, 0.7 + 2.5 * np.cos(2 * np.pi * fractions @ np.array(orders) + phase))


@pytest.mark.parametrize("shape", [(12, 14, 16), (11, 13, 15)])
@pytest.mark.parametrize("orders", [(1, 0, 0), (0, -2, 0), (0, 0, 3), (2, -1, 3), (-3, 4, -5)])
@pytest.mark.parametrize("radius", [0.0, 0.4, 1.3])
def test_the_sphere_average_of_a_plane_wave(
    shape: tuple[int, int, int], orders: tuple[int, int, int], radius: float
) -> None:
    sites = np.random.default_rng(3).uniform(-9, 9, size=(20, 3))
    vector = 2 * np.pi * np.linalg.inv(SKEW) @ orders
    x = radius * np.linalg.norm(vector)
    damping = 3 * (np.sin(x) - x * np.cos(x)) / x**3 if x > 0 else 1
    expected = 0.7 + 2.5 * damping * np.cos(sites @ vector + 0.4)
    assert np.allclose(wave(shape, orders).site_averages(sites, radius), expected, atol=1e-12)


def test_at_the_grid_points_the_values_come_back() -> None:
    values = np.random.default_rng(5).normal(size=(4, 5, 6))
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in values.shape), indexing="ij"), axis=-1)
    found = ElectrostaticPotential(SKEW, values).site_averages(points.reshape(-1, 3) @ SKEW, radius=0)
    assert np.allclose(found, values.ravel(), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planar_averages_keep_the_waves_along_the_axis(axis: int) -> None:
    shape = (12, 14, 16)
    orders = [0, 0, 0]
    orders[axis] = 2
    averages = wave(shape, (orders[0], orders[1], orders[2])).planar_averages()
    for other, (average, n) in enumerate(zip(averages, shape, strict=True)):
        amplitude = 2.5 if other == axis else 0
        assert np.allclose(average, 0.7 + amplitude * np.cos(4 * np.pi * np.arange(n) / n + 0.4), atol=1e-12)


def write(folder: Path, text: str) -> Path:
    path = folder / "broken.cube"
    path.write_text(text)
    return path


@pytest.mark.parametrize("lost", [1, 2, 14, 500, 20_000])
def test_refuses_a_cube_that_breaks_off(tmp_path: Path, lost: int) -> None:
    path = write(tmp_path, POTENTIAL.read_text()[:-lost])
    with pytest.raises(QdsimError, match=r"broken\.cube breaks off"):
        read_potential(path)


@pytest.mark.parametrize("lines", [2, 3, 5, 7, 9])
def test_refuses_a_cube_that_breaks_off_at_the_end_of_a_line(tmp_path: Path, lines: int) -> None:
    path = write(tmp_path, "".join(POTENTIAL.read_text().splitlines(keepends=True)[:lines]))
    with pytest.raises(QdsimError, match=r"broken\.cube breaks off"):
        read_potential(path)


def test_refuses_numbers_that_overflowed(tmp_path: Path) -> None:
    text = POTENTIAL.read_text()
    path = write(tmp_path, text[:-200] + "*" * 13 + text[-187:])
    with pytest.raises(QdsimError, match=r"broken\.cube"):
        read_potential(path)


def test_refuses_another_quantity() -> None:
    with pytest.raises(QdsimError, match=r"DENSITY-1_0\.cube is not an electrostatic potential of CP2K.*DENSITY"):
        read_potential(RECORDED / "2023.1" / "potential" / "aiida-ELECTRON_DENSITY-1_0.cube")


@pytest.mark.parametrize("text", ["", "CP2K| version string: 2023.1\n"])
def test_refuses_a_file_of_another_kind(tmp_path: Path, text: str) -> None:
    with pytest.raises(QdsimError, match=r"broken\.cube is not an electrostatic potential of CP2K"):
        read_potential(write(tmp_path, text))
