"""The report of phonons: crystals of springs, one of them unstable."""

from datetime import UTC, datetime

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults, PhononRow, Softening
from qdsim.analysis.phonon_results import Nonanalytic, PhononSettings, PhononState
from qdsim.analysis.phonon_rows import ComparedDisplacements
from qdsim.analysis.phonons import describe_phonons, displaced_supercells
from qdsim.analysis.quasi_harmonic import HeldState, ThermalExpansion
from qdsim.analysis.soft_mode import anharmonic_mode
from qdsim.analysis.strain_results import DoubleWell
from qdsim.report.data import Curve, DisplacementPattern, ReportData
from qdsim.report.figures.computed_patterns import displacement_patterns
from qdsim.report.figures.phonons import dispersion, displacement_parameters, soft_mode
from qdsim.report.formatting import MISSING
from qdsim.report.page import render_report
from qdsim.report.sections.phonons import phonons
from qdsim.structures import RhombohedralState

SETTINGS = PhononSettings(cation="Pb", anion="S", supercell=(2, 2, 2), mesh=4, temperatures=(100.0, 300.0))
WELL = DoubleWell(offsets=[], energies=[], quadratic=-0.5, quadratic_error=None, quartic=2.0)
KNOWN = KnownDisplacements(label="measured", source="A. Author (1900)", b_iso={300: {"Pb": 1.5, "S": 1.25}})
HELD = HeldState(temperature=300, pressure=1.25, expansion=2e-5, bulk_modulus=50)
CHARGES = Nonanalytic(
    born_charges={"Pb": 4.4, "S": -4.4}, eps_inf=16.5, source="computed: finite field", charge_sum=2e-4
)
SPRINGS = {"stable": 1.0, "unstable": -0.5}


def made(label: str, spring: float) -> PhononState:
    settings = SETTINGS.model_copy(update={"nonanalytic": CHARGES if label == "stable" else None})
    crystal = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S")
    at_rest, moved = displaced_supercells(crystal, SETTINGS)
    first, second = neighbor_list("ij", at_rest, 3.3)
    forces = []
    for one in moved:
        shift = one.positions - at_rest.positions
        force = np.zeros(shift.shape)
        np.add.at(force, first, spring * (shift[second] - shift[first]))
        forces.append(force)
    state, _ = describe_phonons(crystal, settings, np.zeros((len(at_rest), 3)), forces)
    return state.model_copy(update={"label": label})


@pytest.fixture(scope="module")
def data() -> ReportData:
    states = tuple(made(label, spring) for label, spring in SPRINGS.items())
    rows = tuple(
        PhononRow(
            label=state.label,
            linear_strain=strain,
            lattice_constant=6.0,
            centred=True,
            transverse_optical=state.gamma.transverse_optical,
            from_energies=1.01 * state.gamma.transverse_optical,
            deviation=-0.02,
            b_iso=state.thermal[-1].b_iso if state.thermal else None,
            well=None if state.stable else anharmonic_mode(WELL, "Pb", "S", 300),
            message=state.message,
        )
        for state, strain in zip(states, (0.0, 0.02), strict=True)
    )
    return ReportData(
        title="Phonons",
        campaign="phonons",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        qdsim_version="1",
        status="finished",
        nodes={"phonons": "aaaa", "phonon_analysis": "bbbb", "phonons.stable.undisplaced": "cccc"},
        settings={"campaign": {"name": "phonons"}},
        displacement_patterns=(
            DisplacementPattern(
                compared=ComparedDisplacements(
                    sample="3.2 nm",
                    crystal="stable",
                    temperature=300,
                    fitted={"Pb": 1.7, "S": 1.2},
                    computed={"Pb": 1.5, "S": 1.2},
                ),
                fitted=Curve(x=(1.0, 2.0), y=(50.0, 20.0)),
                phonons=Curve(x=(1.0, 2.0), y=(50.5, 19.0)),
            ),
        ),
        phonons=PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=states),
        phonon_analysis=PhononAnalysis(
            temperature=300,
            rows=rows,
            softening=Softening(linear_strain=0.0131, onset=0.0122),
            expansion=ThermalExpansion(crystals=("stable",), states=(), held=(HELD,)),
        ),
        known_displacements=(KNOWN,),
    )


def test_sentences_give_both_strains_and_refuse_a_harmonic_b(data: ReportData) -> None:
    context = phonons(data)
    assert context is not None
    text = " ".join(context["sentences"]).replace("\u00a0", " ")
    assert "softens to zero at +1.31 %, by the energies at +1.22 %: a difference of +0.09 %" in text
    assert "unstable: a harmonic B does not exist" in text
    assert "31.2 meV deep with minima at 0.35" in text  # A^2/(4 B), sqrt(A/(2 B))
    assert "imaginary" in text
    assert "3.2 nm: B fitted, and of the phonons of stable at 300 K, are 1.70 and 1.50 Å² of Pb, 1.20 and" in text
    assert "the patterns differ by 5.0 % at most" in text
    assert "of stable (a = 6.000 Å), 1.50 and 1.25 Å² measured (A. Author (1900))." in text
    assert "If each moved by itself, B of that would be" in text


def test_unequal_meshes_are_told(data: ReportData) -> None:
    def sentences(energies: int, forces: int) -> str:
        settings = {
            "settings": {"cell": "primitive", "k_points": [energies] * 3},
            "phonon_settings": {"cell": [[2, 0, 0], [0, 2, 0], [0, 0, 2]], "k_points": [forces] * 3},
        }
        context = phonons(data.model_copy(update={"settings": settings}))
        assert context is not None
        return " ".join(context["sentences"])

    assert "9 × 9 × 9 k-points on the primitive cell, the forces of a mesh as dense as 10 × 10 × 10" in sentences(9, 5)
    assert "k-points" not in sentences(10, 5)


def test_tables_have_no_displacement_parameters_of_an_unstable_crystal(data: ReportData) -> None:
    context = phonons(data)
    assert context is not None
    modes, _, thermal, expansion, held = context["tables"]
    assert [row[0].text for row in modes.rows] == ["stable", "unstable"]
    assert modes.rows[1][3].text.startswith("−")
    assert [row[0].text for row in thermal.rows] == ["stable", "stable"]
    assert modes.rows[0][0].uuid == "cccc"
    assert not expansion.rows
    assert [cell.text for cell in held.rows[0]] == ["300", "+1.25", "20.0", "50.0"]


def test_born_charges_are_shown_with_their_source(data: ReportData) -> None:
    context = phonons(data)
    assert context is not None
    modes, charges, *_ = context["tables"]
    (row,) = charges.rows
    assert [cell.text for cell in row] == ["stable", "+4.400", "−4.400", "+0.0002", "16.50", "computed: finite field"]
    assert [row[4].text == MISSING for row in modes.rows] == [False, True]


def test_figures_show_every_crystal(data: ReportData) -> None:
    assert data.phonons is not None
    assert data.phonon_analysis is not None
    energies, forces, onset, softening = soft_mode(data.phonon_analysis, data.nodes).data
    assert (list(onset.x), list(softening.x)) == ([pytest.approx(1.22)], [pytest.approx(1.31)])
    assert (list(onset.y), list(softening.y)) == ([0], [0])
    assert list(forces.x) == pytest.approx([0.0, 2.0])
    assert list(energies.y) == pytest.approx([1.01 * y for y in forces.y])
    state = data.phonons.states[0]
    drawn = dispersion(state).data
    assert len([trace for trace in drawn if trace.name == "Γ–X"]) == 6
    assert {trace.name for trace in drawn} >= {"Pb", "S"}
    *curves, cation, anion = displacement_parameters(data.phonons, data.known_displacements).data
    assert len(curves) == 2
    assert (list(cation.x), list(cation.y), list(anion.y)) == ([300], [1.5], [1.25])
    fitted, computed, change = displacement_patterns(data.displacement_patterns).data
    assert (fitted.name, computed.name) == ("3.2 nm, fitted B", "3.2 nm, B of phonons")
    assert list(change.y) == [0.5, -1.0]


def test_the_page_has_the_section(data: ReportData) -> None:
    page = render_report(data)
    assert "Phonons" in page
    assert "dispersion_1" in page
