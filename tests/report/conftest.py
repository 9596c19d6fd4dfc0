"""A made-up strain campaign with the size and signs of the real one, so that the report has something to show."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from qdsim.analysis.equation_of_state import EquationOfState, fit_birch_murnaghan
from qdsim.analysis.ferroelectric import DoubleWell, Onset, Phase, StrainPoint, StrainResults
from qdsim.report import Effort, PointStructures, Reference, ReportData, Structure
from qdsim.structures import RhombohedralState, measure_distortion

A0, BULK_MODULUS, DERIVATIVE, E0 = 6.008, 53.1, 4.3, -376.135
GPA = 1 / 160.21766208  # eV/Å^3
ONSET_A = 6.047
QUARTIC = 2.15  # eV/Å^4
STRAINS = {"m0p0050": -0.005, "p0p0000": 0.0, "p0p0050": 0.005, "p0p0100": 0.01, "p0p0150": 0.015, "p0p0200": 0.02}


def birch(volume: float) -> float:
    ratio = (A0**3 / 4 / volume) ** (2 / 3)
    shape = (ratio - 1) ** 3 * DERIVATIVE + (ratio - 1) ** 2 * (6 - 4 * ratio)
    return float(E0 + 9 * (A0**3 / 4) * BULK_MODULUS * GPA / 16 * shape)


def quadratic(a: float) -> float:
    return -2.2 * (a - ONSET_A)


def state_at(a: float) -> RhombohedralState:
    offset = float(np.sqrt(max(0.0, -quadratic(a) / (2 * QUARTIC))))
    return RhombohedralState.from_lattice_constant(a, alpha=60 - 15.5 * offset**2, offset=offset)


def structure_of(state: RhombohedralState) -> Structure:
    atoms = state.to_atoms("Pb", "S")
    return Structure(symbols=tuple(atoms.symbols), positions=atoms.positions.tolist(), cell=atoms.cell.array.tolist())


def phase_of(state: RhombohedralState, energy: float, pressure: float, gap: float, single_points: int) -> Phase:
    distortion = measure_distortion(state.to_atoms("Pb", "S"), "Pb")
    return Phase(
        volume=state.volume,
        lattice_constant=state.lattice_constant,
        alpha_rh=state.alpha,
        pb_offset=state.offset,
        energy=energy,
        pressure=pressure,
        gap=gap,
        space_group=distortion.space_group,
        bond_short=distortion.bond_short,
        bond_long=distortion.bond_long,
        single_points=single_points,
    )


def point_at(label: str, strain: float, eos: EquationOfState) -> StrainPoint:
    a = eos.lattice_constant * (1 + strain)
    relaxed_state = state_at(a)
    centred_state = RhombohedralState.from_lattice_constant(a)
    energy, pressure, gap = birch(a**3 / 4), eos.pressure_at(a**3 / 4), 0.3 + 4 * strain
    gain = quadratic(a) * relaxed_state.offset**2 + QUARTIC * relaxed_state.offset**4
    offsets = [0.0, 0.08, 0.14, 0.2, 0.26]
    return StrainPoint(
        label=label,
        linear_strain=strain,
        volumetric_strain=(1 + strain) ** 3 - 1,
        lattice_constant=a,
        volume=a**3 / 4,
        eos_pressure=pressure,
        centred=phase_of(centred_state, energy, pressure + 0.03, gap, 1),
        relaxed=phase_of(relaxed_state, energy + gain, pressure + 0.03 - 3 * gain, gap + 2 * relaxed_state.offset, 6),
        double_well=DoubleWell(
            offsets=offsets,
            energies=[quadratic(a) * u**2 + QUARTIC * u**4 for u in offsets],
            quadratic=quadratic(a),
            quadratic_error=0.003,
            quartic=QUARTIC,
        ),
        energy_gain=gain,
    )


def uuid_of(path: str) -> str:
    return str(UUID(bytes=path.encode().ljust(16, b"-")[-16:], version=4))


@pytest.fixture(scope="session")
def results() -> StrainResults:
    volumes = [(A0 * factor) ** 3 / 4 for factor in (0.976, 0.984, 0.992, 1.0, 1.008, 1.016, 1.024)]
    scatter = [2e-5, -3e-5, 1e-5, 2e-5, -2e-5, -1e-5, 1e-5]
    eos = fit_birch_murnaghan(volumes, [birch(v) + noise for v, noise in zip(volumes, scatter, strict=True)])
    strain = ONSET_A / eos.lattice_constant - 1
    onset = Onset(
        method="energy curvature",
        linear_strain=strain,
        linear_strain_error=0.0006,
        lattice_constant=ONSET_A,
        volume=ONSET_A**3 / 4,
        pressure=eos.pressure_at(ONSET_A**3 / 4),
        note="made up for a test",
    )
    return StrainResults(
        compound="PbS",
        protocol="moderate",
        equation_of_state=eos,
        points=[point_at(label, strain, eos) for label, strain in STRAINS.items()],
        onset_curvature=onset,
        onset_order_parameter=onset.model_copy(
            update={
                "method": "order parameter",
                "linear_strain": strain + 0.0007,
                "linear_strain_error": 0.0004,
                "lattice_constant": eos.lattice_constant * (1.0007 + strain),
                "pressure": eos.pressure_at((eos.lattice_constant * (1.0007 + strain)) ** 3 / 4),
            }
        ),
        onset_messages=[],
    )


@pytest.fixture(scope="session")
def nodes() -> dict[str, str]:
    paths = ["results", "equation_of_state", "onset_curvature"]
    for label in STRAINS:
        paths += [f"points.{label}.{part}" for part in ("centred", "relaxed", "relaxed.structure", "double_well")]
    return {path: uuid_of(path) for path in paths}


@pytest.fixture(scope="session")
def data(results: StrainResults, nodes: dict[str, str]) -> ReportData:
    return ReportData(
        title="Bulk PbS under hydrostatic tension",
        campaign="synthetic campaign (test data, not computed)",
        created=datetime(2024, 5, 17, 9, 30, tzinfo=UTC),
        qdsim_version="0.1.0",
        code_version="CP2K 2023.1",
        status="finished",
        settings={
            "protocol": "moderate",
            "template": "crystal.inp",
            "cutoff": {"plane waves (Ry)": 300, "relative (Ry)": 50},
            "k-points": [6, 6, 6],
            "basis sets": {"Pb": "DZVP-MOLOPT-SR-GTH-q4", "S": "DZVP-MOLOPT-SR-GTH-q6"},
            "pseudopotentials": {"Pb": "GTH-PBE-q4", "S": "GTH-PBE-q6"},
            "smearing": None,
            "convergence": {"scf": 1e-07, "frozen grid": True},
        },
        strain=results,
        structures={
            point.label: PointStructures(
                centred=structure_of(RhombohedralState(point.volume)),
                relaxed=structure_of(state_at(point.lattice_constant)),
            )
            for point in results.points
        },
        nodes=nodes,
        references=(
            Reference(
                quantity="lattice_constant",
                value=5.936,
                label="experiment, 300 K",
                source="room-temperature diffraction",
            ),
            Reference(quantity="alpha_rh", value=59.5, label="5.0 nm dots", source="doi:10.1038/nmat4661"),
        ),
        effort=Effort(computed=58, reused=4, wall_time=512.3, cpu_time=931.0),
    )
