"""How fast and how exact the Debye engine is, against its peers and against the double sum itself.

Spheres of lead sulfide, B = 1 Å^2, Q = 1..13 Å^-1 in 1,200 points. All contenders take turns on one and the same
processor, once each round, so that a busy machine slows them alike; times are the shortest of the rounds. The local
relative error is the largest of |I/I_exact - 1| at Q where the intensity is lowest, and at Q in even steps.

    python benchmarks/debye.py --peer-python PATH --debyer PATH --json results.json
    python benchmarks/debye.py --only distributions

Size distributions are judged by a double sum of their own, in which each pair counts by the share of particles that are
large enough to have both atoms. A step is an intensity with its changes with both sizes, lattice constant and B.

DebyeCalculator runs in an interpreter that has it (`--peer-python`) and is timed inside of it.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.stats import lognorm

from qdsim.debye.data import ScatteringData
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.form_factors import scattering_amplitude
from qdsim.debye.intensity import intensity
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.patterns import ModelPattern
from qdsim.debye.scans import ScanAxis, chi2_map
from qdsim.structures import LatticeParticle, LatticePoints, RhombohedralState, cut_rocksalt

FloatArray = npt.NDArray[np.float64]
Contender = Callable[[], tuple[float, FloatArray | None]]
"""Returns the seconds it took, and the intensity if it is that of the undistorted sphere."""

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
PBS = RhombohedralState.from_lattice_constant(5.936)
B_ISO = 1.0
Q = np.linspace(1, 13, 1200)
DIAMETERS = {32.0: 60, 50.0: 20, 77.0: 6}
"""Å, and how many Q the double sum is taken at."""
DISTRIBUTIONS = {
    32.0: (0.05, 0.10, 0.15, 0.30),
    50.0: (0.05, 0.08, 0.10, 0.15, 0.30),
    77.0: (0.05, 0.10, 0.15),
    100.0: (0.05, 0.10, 0.15),
}
"""Mean diameters, Å, and standard deviations as parts of them."""
VARIED = ("diameter", "diameter_sd", "lattice_constant", "b_iso_cation")
SCALING = (30.0, 50.0, 80.0, 120.0, 160.0, 200.0)
STEPS = 5
"""Steps of a fit of which the last one is timed."""
REFERENCE = "DebyeCalculator, float64"

PEER = """
import json, sys, time
import torch
from ase import Atoms
from debyecalculator import DebyeCalculator

torch.set_num_threads(1)
atoms = None
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if "symbols" in request:
        atoms = Atoms(request["symbols"], positions=request["positions"])
    dtype = getattr(torch, request["dtype"])
    torch.set_default_dtype(dtype)  # else the form factors of float64 are rounded to float32
    q = torch.tensor(request["q"], dtype=torch.float64)
    calculator = DebyeCalculator(
        qmin=float(q[0]), qmax=float(q[-1]), qstep=float(q[1] - q[0]), biso=request["b_iso"], device="cpu", dtype=dtype
    )
    calculator.q = q.to(dtype).unsqueeze(-1)
    begin = time.perf_counter()
    found = calculator.iq(atoms).i
    print(json.dumps({"seconds": time.perf_counter() - begin, "intensity": found.tolist()}), flush=True)
"""


@dataclass
class Row:
    """One contender at one diameter; None where there is nothing to tell."""

    diameter: float
    name: str
    milliseconds: float | None = None
    median: float | None = None
    error: float | None = None
    ratio: float | None = None


@dataclass
class Scaling:
    """A particle of one diameter in a process of its own; milliseconds and megabytes."""

    diameter: float
    atoms: int
    first: float
    cold: float
    warm: float
    memory: float


@dataclass
class Distribution:
    """A size distribution in a process of its own; milliseconds and megabytes.

    Errors are local: |I/I_exact - 1|, the largest and the mean over all Q. The memory is the peak of a process that
    makes a fit.
    """

    diameter: float
    spread: float
    first: float
    step: float
    error: float
    mean_error: float
    memory: float


class DebyeCalculator:
    """The peer, in an interpreter that stays alive and answers in lines of JSON."""

    def __init__(self, python: str):
        command = [python, "-W", "ignore", "-c", PEER]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.installed = bool(self._read())

    def _read(self) -> dict[str, Any]:
        """Read an answer; anything but JSON is what its libraries print, and nothing means that it has ended."""
        for line in self._process.stdout or ():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        return {}

    def run(self, particle: LatticeParticle, dtype: str) -> tuple[float, FloatArray]:
        """Return the seconds and the intensity; DebyeCalculator counts each pair once, which is half of it."""
        request = {"dtype": dtype, "q": Q.tolist(), "b_iso": B_ISO}
        request |= {"symbols": particle.atom_symbols, "positions": particle.positions.tolist()}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._read()
        return answer["seconds"], 2 * np.array(answer["intensity"])

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def seconds_of(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a function takes, and what it returns."""
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result


def sphere(diameter: float) -> LatticeParticle:
    """Return an undistorted sphere."""
    return cut_rocksalt("Pb", "S", PBS, "sphere", diameter)


def as_new(particle: LatticeParticle) -> LatticeParticle:
    """Return a particle of which nothing is known yet."""
    points = LatticePoints(particle.points.cells, particle.points.sites, particle.points.regions)
    return LatticeParticle(points, particle.cell, particle.basis, particle.symbols, particle.origin)


def fitted_pattern(diameter: float) -> ModelPattern:
    """Return the pattern of a sphere as a fit evaluates it, its pairs counted."""
    pattern = ModelPattern(NanocrystalModel(diameter=diameter, lattice_constant=PBS.lattice_constant), Q)
    pattern.intensity({})
    return pattern


def cold(particle: LatticeParticle) -> tuple[float, FloatArray]:
    """Time a particle of which nothing is known."""
    new = as_new(particle)
    return seconds_of(lambda: intensity(new, Q, b_iso=B_ISO))


def warm(pattern: ModelPattern) -> tuple[float, None]:
    """Time a step of a fit, which follows other steps: new strain, offset, occupancies and B; the pairs are counted."""
    random = np.random.default_rng()
    ranges = {
        "lattice_constant": (5.92, 5.97),
        "alpha_rh": (58.5, 60.0),
        "pb_offset": (0.0, 0.3),
        "occupancy_cation_core": (0.7, 1.0),
        "occupancy_anion_core": (0.7, 1.0),
        "b_iso_cation": (0.5, 2.0),
        "b_iso_anion": (0.5, 2.0),
    }
    for _ in range(STEPS):
        values = {name: random.uniform(*span) for name, span in ranges.items()}
        taken, _ = seconds_of(partial(pattern.intensity, values))
    return taken, None


def first_call(diameter: float) -> tuple[float, FloatArray]:
    """Time the first pattern of a process."""
    particle = sphere(diameter)
    return seconds_of(lambda: intensity(particle, Q, b_iso=B_ISO))


def in_new_process(function: Callable[[Any], Any], argument: Any) -> Any:
    """Return what a function returns in a fresh interpreter."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (argument,))


def scaling(diameter: float) -> Scaling:
    """Measure a particle of any size, in a process of its own."""
    particle = sphere(diameter)
    first, _ = seconds_of(lambda: intensity(particle, Q, b_iso=B_ISO))
    counted = min(cold(particle)[0] for _ in range(3))
    pattern = fitted_pattern(diameter)
    fitted = min(warm(pattern)[0] for _ in range(5))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Scaling(diameter, len(particle), 1000 * first, 1000 * counted, 1000 * fitted, memory)


def debyer(program: str, particle: LatticeParticle) -> tuple[float, FloatArray]:
    """Time debyer, from the file of the atoms to that of the pattern; it has no B and gives the mean of an atom."""
    with tempfile.TemporaryDirectory() as folder:
        atoms, pattern = Path(folder, "atoms.xyz"), Path(folder, "pattern.dat")
        lines = (
            f"{symbol} {x:.12f} {y:.12f} {z:.12f}"
            for symbol, (x, y, z) in zip(particle.atom_symbols, particle.positions, strict=True)
        )
        atoms.write_text("\n".join([str(len(particle)), "", *lines, ""]), encoding="utf-8")
        step = Q[1] - Q[0]
        q = (f"--from={Q[0]}", f"--to={Q[-1] + 1.5 * step}", f"--step={step:.17g}")
        command = [program, "--quiet", "--xray", *q, f"--output={pattern}", str(atoms)]
        taken, _ = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
        return taken, np.loadtxt(pattern)[: Q.size, 1] * len(particle)


@numba.njit(cache=True)
def double_sum(positions: FloatArray, q: float, f: FloatArray) -> float:
    """Return the sum of f_i f_j sin(Q d_ij)/(Q d_ij) over i != j."""
    total = 0.0
    for i in range(len(positions)):
        part = 0.0
        for j in range(i):
            x = positions[i, 0] - positions[j, 0]
            y = positions[i, 1] - positions[j, 1]
            z = positions[i, 2] - positions[j, 2]
            phase = q * np.sqrt(x * x + y * y + z * z)
            part += f[j] * np.sin(phase) / phase
        total += 2.0 * f[i] * part
    return total


def exact(particle: LatticeParticle, chosen: npt.NDArray[np.int64], b_iso: float) -> FloatArray:
    """Return the intensity at some of the Q, shape (n,)."""
    positions, patterns = particle.positions, []
    amplitudes = np.array([scattering_amplitude(symbol, Q).real for symbol in particle.symbols])[particle.points.sites]
    for k in chosen:
        f = np.ascontiguousarray(amplitudes[:, k])
        damped = f * np.exp(-b_iso * Q[k] ** 2 / (16 * np.pi**2))
        patterns.append((f**2).sum() + double_sum(positions, Q[k], damped))
    return np.array(patterns)


def compare(diameter: float, count: int, peer: DebyeCalculator, program: str | None, rounds: int) -> list[Row]:
    """Let all contenders take turns at one diameter."""
    particle = sphere(diameter)
    atoms = particle.to_atoms()
    pattern = intensity(particle, Q, b_iso=B_ISO)
    even = np.linspace(0, Q.size - 1, count // 2).astype(np.int64)
    chosen = np.union1d(np.argsort(pattern)[: count // 2], even)
    contenders: dict[str, Contender] = {
        "qdsim lattice, first call of a process": partial(in_new_process, first_call, diameter),
        "qdsim lattice, cold": partial(cold, particle),
        "qdsim lattice, warm": partial(warm, fitted_pattern(diameter)),
        "qdsim general atoms": partial(seconds_of, lambda: intensity(atoms, Q, b_iso=B_ISO)),
    }
    if peer.installed:
        contenders |= {
            f"DebyeCalculator, {dtype}": partial(peer.run, particle, dtype) for dtype in ("float64", "float32")
        }
    if program:
        contenders["debyer, B = 0"] = partial(debyer, program, particle)
    runs = [{name: contender() for name, contender in contenders.items()} for _ in range(rounds)]

    taken, reference = seconds_of(partial(exact, particle, chosen, B_ISO))
    references = {"debyer, B = 0": exact(particle, chosen, 0.0) if program else None}
    rows = []
    for name in contenders:
        times = [1000 * run[name][0] for run in runs]
        found = runs[-1][name][1]
        expected = references.get(name, reference)
        error = None if found is None else float(np.abs(found[chosen] / expected - 1).max())
        rows.append(Row(diameter, name, min(times), float(np.median(times)), error))
    extrapolated = 1000 * taken * Q.size / chosen.size
    rows.append(Row(diameter, f"double sum, extrapolated from {chosen.size} Q", extrapolated, extrapolated, 0.0))
    absent = ([] if peer.installed else [REFERENCE]) + ([] if program else ["debyer, B = 0"])
    rows += [Row(diameter, f"{name}: not installed") for name in absent]
    slowest = next((row.milliseconds for row in rows if row.name == REFERENCE), None)
    for row in rows:
        row.ratio = slowest / row.milliseconds if slowest and row.milliseconds else None
    return rows


def chi2_map_of(diameter: float) -> float:
    """Return the seconds that a map of chi^2 over angle and offset takes, scale and background fitted at each point."""
    model = NanocrystalModel(diameter=diameter, shell_thickness=9.0, occupancy_anion_shell=0.8, alpha_rh=59.5)
    curve = ModelPattern(model, Q).intensity({})
    angles = ScanAxis("alpha_rh", tuple(np.linspace(58.6, 60.0, 15)))
    offsets = ScanAxis("pb_offset", tuple(np.linspace(0.0, 0.15, 16)))
    fit = Fit(model, ScatteringData(Q, curve, np.sqrt(curve)), FitSettings(background=6))
    return seconds_of(partial(chi2_map, fit, angles, offsets))[0]


def distribution(size: tuple[float, float]) -> tuple[Distribution, FloatArray]:
    """Measure a size distribution, in a process of its own; return its intensity, too."""
    diameter, spread = size
    model = NanocrystalModel(
        diameter=diameter,
        diameter_sd=spread * diameter,
        lattice_constant=PBS.lattice_constant,
        b_iso_cation=B_ISO,
        b_iso_anion=B_ISO,
    )
    pattern = ModelPattern(model, Q, VARIED)
    first, curve = seconds_of(lambda: pattern.intensity({}))
    random = np.random.default_rng(0)
    steps = []
    for _ in range(30):
        values = {name: getattr(model, name) * random.uniform(0.999, 1.001) for name in VARIED}
        steps.append(seconds_of(partial(pattern.with_changes, values))[0])
    data = ScatteringData(Q, curve, np.sqrt(curve))
    Fit(model.with_values({"diameter": 1.01 * diameter}), data, FitSettings(vary=dict.fromkeys(VARIED))).run()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Distribution(diameter, spread, 1000 * first, 1000 * min(steps), np.nan, np.nan, memory), curve


@numba.njit(cache=True)
def weighted_pairs(halves: npt.NDArray[np.int64], lead: npt.NDArray[np.bool_], share: FloatArray) -> FloatArray:
    """Return how many pairs there are at each squared distance, in half edges, on average over particles.

    Atoms are in the order in which they join; a pair is there as often as the atom that joins last. The first atom is
    taken from one of the 48 parts of a sphere alone, where x >= y >= z >= 0, and counts as often as it has images.
    """
    longest = 4 * (halves**2).sum(axis=1).max() + 1
    pairs = np.zeros((3, longest))
    for i in range(len(halves)):
        x, y, z = halves[i]
        if not x >= y >= z >= 0:
            continue
        images = 48.0
        if x == z:
            images /= 6.0
        elif y in (x, z):
            images /= 2.0
        for one in (x, y, z):
            if one == 0:
                images /= 2.0
        for j in range(len(halves)):
            square = (x - halves[j, 0]) ** 2 + (y - halves[j, 1]) ** 2 + (z - halves[j, 2]) ** 2
            row = 2 if lead[i] != lead[j] else 0 if lead[i] else 1
            pairs[row, square] += images * share[max(i, j)]
    return pairs


def exact_distribution(size: tuple[float, float]) -> FloatArray:
    """Return the mean intensity of spheres of a lognormal distribution, by a sum over pairs of atoms, shape (n,)."""
    diameter, spread = size
    width = np.sqrt(np.log(1 + spread**2))
    sizes = lognorm(width, scale=diameter / np.sqrt(1 + spread**2))
    n = int(np.ceil(diameter * np.exp((6 + 3 * width) * width) / PBS.lattice_constant))  # 6 widths of D^3
    axis = np.arange(-n, n + 1)
    halves = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    joins = PBS.lattice_constant * np.sqrt((halves**2).sum(axis=1))
    inside = joins <= n * PBS.lattice_constant
    order = np.argsort(joins[inside], kind="stable")
    halves, joins = halves[inside][order], joins[inside][order]
    lead = halves.sum(axis=1) % 2 == 0
    share = sizes.sf(np.maximum(joins, PBS.lattice_constant))  # no particle is smaller than a cell
    pairs = weighted_pairs(halves, lead, share)
    squares = np.flatnonzero(pairs.any(axis=0))
    cation, anion = (scattering_amplitude(symbol, Q).real for symbol in ("Pb", "S"))
    damped = np.exp(-2 * B_ISO * Q**2 / (16 * np.pi**2))
    products = np.array([cation**2, anion**2, cation * anion])
    total = share[lead].sum() * cation**2 + share[~lead].sum() * anion**2
    for part in np.array_split(squares[squares > 0], max(len(squares) // 2000, 1)):
        phases = np.outer(PBS.lattice_constant / 2 * np.sqrt(part), Q)
        total += damped * (products * (pairs[:, part] @ (np.sin(phases) / phases))).sum(axis=0)
    return np.asarray(total)


def distributions() -> list[Distribution]:
    """Measure all size distributions; exact sums come last, for a process begins with the peak memory of its parent."""
    sizes = [(diameter, spread) for diameter, spreads in DISTRIBUTIONS.items() for spread in spreads]
    measured = [in_new_process(distribution, size) for size in sizes]
    found = []
    for size, (row, curve) in zip(sizes, measured, strict=True):
        errors = np.abs(curve / exact_distribution(size) - 1)
        found.append(replace(row, error=float(errors.max()), mean_error=float(errors.mean())))
    return found


def print_distributions(console: Console, rows: list[Distribution]) -> None:
    """Print their table."""
    table = Table("nm", "sd, %", "first, ms", "step, ms", "local error", "its mean", "peak memory of a fit, MB")
    for row in rows:
        errors = (f"{value:.0e}" for value in (row.error, row.mean_error))
        times = f"{row.first:,.0f}", f"{row.step:.2f}"
        table.add_row(f"{row.diameter / 10:.1f}", f"{100 * row.spread:.0f}", *times, *errors, f"{row.memory:.0f}")
    console.print(table)


def number(value: float | None, form: str) -> str:
    """Format a number, or a dash if there is none."""
    return "-" if value is None else format(value, form)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has DebyeCalculator")
    parser.add_argument("--debyer", default=shutil.which("debyer"), help="program debyer, by default that in PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers there too")
    parser.add_argument("--only", choices=["distributions"], help="measure size distributions alone")
    arguments = parser.parse_args()
    console = Console(width=120)
    if arguments.only:
        rows_of_sizes = distributions()
        print_distributions(console, rows_of_sizes)
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(row) for row in rows_of_sizes], indent=1))
        return

    # First, for a process begins with the peak memory of the one that starts it.
    sizes: list[Scaling] = [in_new_process(scaling, diameter) for diameter in SCALING]
    rows_of_sizes = distributions()
    peer = DebyeCalculator(arguments.peer_python)
    rows = [
        row
        for diameter, count in DIAMETERS.items()
        for row in compare(diameter, count, peer, arguments.debyer, arguments.rounds)
    ]
    peer.close()

    table = Table("nm", "", "shortest, ms", "median, ms", "local error", "times as fast")
    for row in rows:
        table.add_row(
            f"{row.diameter / 10:.1f}",
            row.name,
            number(row.milliseconds, ",.2f"),
            number(row.median, ",.2f"),
            number(row.error, ".0e"),
            number(row.ratio, ",.1f"),
            end_section=row is rows[-1] or rows[rows.index(row) + 1].diameter != row.diameter,
        )
    console.print(table)
    console.print(f"Times as fast as {REFERENCE}.")
    table = Table("nm", "atoms", "first call, ms", "cold, ms", "warm, ms", "peak memory, MB")
    for size in sizes:
        times = (f"{value:.1f}" for value in (size.first, size.cold, size.warm, size.memory))
        table.add_row(f"{size.diameter / 10:.0f}", f"{size.atoms:,}", *times)
    console.print(table)
    print_distributions(console, rows_of_sizes)
    maps = sum(chi2_map_of(diameter) for diameter in DIAMETERS)
    console.print(f"Maps of chi^2 with 15 x 16 points for {len(DIAMETERS)} sizes: {maps:.2f} s in all.")
    if arguments.json:
        results = {
            "patterns": [asdict(row) for row in rows],
            "scaling": [asdict(size) for size in sizes],
            "distributions": [asdict(row) for row in rows_of_sizes],
            "chi2_maps": maps,
        }
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    if not ONE_THREAD.items() <= os.environ.items():  # libraries read these as they are loaded
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=os.environ | ONE_THREAD, check=False).returncode)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()
