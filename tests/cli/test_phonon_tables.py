"""Phonons in a terminal of 80 columns."""

from io import StringIO

from rich.console import Console

from qdsim.analysis.known_displacements import KnownDisplacements
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults, PhononRow
from qdsim.analysis.phonon_results import DensityOfStates, GammaModes, PhononState, ThermalState
from qdsim.analysis.quasi_harmonic import HeldState, ThermalExpansion
from qdsim.cli.phonon_tables import print_phonons

LABEL = "compressed_crystal"
THERMAL = ThermalState(
    temperature=300,
    free_energy=0,
    entropy=0,
    heat_capacity=0,
    u_iso={"Pb": 0.02, "S": 0.01},
    b_iso={"Pb": 1.5, "S": 1.2},
)
STATE = PhononState(
    label=LABEL,
    volume=54,
    alpha_rh=60,
    pb_offset=0,
    supercell=(2, 2, 2),
    distance=0.02,
    residual_force=0,
    gamma=GammaModes(frequencies=[], transverse_optical=-123.4, antiphase=1, acoustic=0, sum_rule=0.0123),
    lowest=-123.4,
    lowest_where="Γ",
    bands=(),
    density_of_states=DensityOfStates(frequencies=[], total=[], by_element={}),
    thermal=(THERMAL,),
)
ROW = PhononRow(
    label=LABEL,
    linear_strain=-0.0125,
    lattice_constant=6.0,
    centred=True,
    transverse_optical=-123.4,
    from_energies=-120.0,
    deviation=-0.125,
    b_iso=THERMAL.b_iso,
)
KNOWN = KnownDisplacements(label="measured", source="A. Author [1900]", b_iso={300: {"Pb": 1.6, "S": 1.3}})


def test_nothing_is_cut_off() -> None:
    held = HeldState(temperature=300, pressure=1.25, expansion=2e-5, bulk_modulus=50)
    output = StringIO()
    print_phonons(
        Console(file=output, width=80),
        PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=(STATE,)),
        PhononAnalysis(
            temperature=300,
            rows=(ROW,),
            expansion=ThermalExpansion(crystals=(LABEL,), states=(), held=(held,)),
        ),
        [KNOWN],
    )
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert f"{LABEL} 6.0000 -1.25 -123.4 -120.0 -12.5 -123.4 at Γ 1.23" in lines
    assert "300 +1.25 20.0 50.0" in lines
    assert "1.60 and 1.30 Å² measured (A. Author [1900])." in " ".join(lines)
    assert "…" not in output.getvalue()
