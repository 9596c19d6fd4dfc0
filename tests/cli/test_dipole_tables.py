"""Tables of dipoles as they are printed."""

from io import StringIO

from rich.console import Console
from rich.table import Table

from qdsim.analysis.dipole_analysis import DipoleModels, analyse_dipoles
from qdsim.analysis.dipole_results import DipoleResults
from qdsim.analysis.dipole_states import describe_cluster
from qdsim.campaign.dipole import plan_dipoles
from qdsim.campaign.schema import DipoleSection
from qdsim.cli.dipole_tables import dipole_rows, particle_rows
from qdsim.cp2k.compounds import load_compound
from qdsim.structures import RhombohedralState

PLAN = plan_dipoles(
    DipoleSection.model_validate(
        {
            "lattice": {"lattice_constant": 5.98},
            "particles": {
                "hole": {"diameter": 12},
                "bond": {"diameter": 14, "centre": "bond"},
                "oleate": {"diameter": 12, "centre": "S", "surface": "formate", "box": 40},
            },
        }
    ),
    load_compound("PbS"),
    6.008,
    600,
)


def printed(table: Table) -> list[list[str]]:
    output = StringIO()
    Console(file=output, width=200).print(table)
    return [line.split() for line in output.getvalue().splitlines()]


def test_a_particle_is_told_before_it_is_computed() -> None:
    rows = {line[0]: line for line in printed(particle_rows(PLAN)) if line}
    assert " ".join(rows["hole"]) == "hole Pb16S16 2·16 (Pb) − 2·16 (S) = 0 0.0 21.1 6.1 WAVELET"
    assert rows["bond"][-4] == "172.3"
    assert rows["oleate"][1] == "Pb14S13(HCOO)2"
    assert rows["oleate"][-1] == "MT"


def test_a_dipole_is_told_with_what_became_of_the_gap() -> None:
    state = RhombohedralState(5.98**3 / 4)
    levels = [(-5.0, -4.0, False), (-5.0, -4.97, False), (-5.0, -4.5, True)]
    clusters = tuple(
        describe_cluster(
            f"hole__{index}",
            "hole",
            12.0,
            PLAN.clusters["hole"],
            state,
            {"energy": -1.0, "dipole": [0.0, 0.0, 0.0], "homo": homo, "lumo": lumo},
            smeared,
            box=21.1,
            solver="WAVELET",
        )
        for index, (homo, lumo, smeared) in enumerate(levels)
    )
    found = DipoleResults(compound="PbS", cation="Pb", anion="S", protocol="cluster", clusters=clusters)
    rows = [line for line in printed(dipole_rows(analyse_dipoles(found, DipoleModels()))) if line[:1] == ["hole"]]
    assert [line[-3:-1] for line in rows] == [["1.00", "open"], ["0.03", "closed"], ["0.50", "smeared"]]
