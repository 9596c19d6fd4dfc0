"""B of a campaign's phonons in a pattern: the campaign is stored as CP2K would have left it."""

import json
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.io import write
from rich.console import Console

from qdsim.analysis.phonon_analysis import PhononResults, analyse_phonons
from qdsim.analysis.phonon_results import Nonanalytic, PhononState
from qdsim.cli.phonon_tables import print_phonons
from qdsim.debye import intensity
from qdsim.provenance import CAMPAIGN_PROCESS
from qdsim.structures import RhombohedralState
from tests.phonon_states import phonon_state, thermal_state

if TYPE_CHECKING:
    from tests.machines import Machine

B_ISO = {"Pb": 1.3, "S": 1.1}
STORE = """
from aiida.common.links import LinkType
from aiida.orm import Dict, WorkChainNode
campaign, series = WorkChainNode(process_type={campaign!r}), WorkChainNode()
campaign.label = "vibrating"
document = Dict({{"campaign": {{"name": "vibrating"}}}}).store()
campaign.base.links.add_incoming(document, LinkType.INPUT_WORK, "campaign")
campaign.store()
series.base.links.add_incoming(campaign, LinkType.CALL_WORK, "phonon")
series.store()
results = Dict({results!r}).store()
results.base.links.add_incoming(series, LinkType.RETURN, "results")
answer = None
"""


def crystal(label: str, *, stable: bool) -> PhononState:
    return phonon_state(label, 1.0 if stable else -1.0, thermal=thermal_state(B_ISO) if stable else None)


@pytest.fixture(scope="module")
def cluster(machine: "Machine", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster's file, beside a campaign with phonons of two crystals."""
    results = {
        "compound": "PbS",
        "cation": "Pb",
        "anion": "S",
        "protocol": "phonons",
        "states": [crystal("rest", stable=True).model_dump(), crystal("stretched", stable=False).model_dump()],
    }
    machine.python(STORE.format(campaign=CAMPAIGN_PROCESS, results=json.loads(json.dumps(results))))
    atoms = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    atoms.pbc = False
    path = tmp_path_factory.mktemp("cluster") / "cluster.xyz"
    write(path, atoms)
    return path


def test_a_pattern_has_the_b_of_the_phonons(machine: "Machine", cluster: Path) -> None:
    answer = machine.qdsim(
        "pattern", str(cluster), "--phonons", "vibrating", "--crystal", "rest", "--q", "1:13:60", "--format", "json"
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    origin = found["displacement_parameters"]
    assert origin.startswith("Pb 1.300 Å^2, S 1.100 Å^2: phonons of rest at 300 K, campaign vibrating, node ")
    assert origin in answer.stderr
    atoms = RhombohedralState.from_lattice_constant(6.0).to_atoms("Pb", "S", "conventional")
    np.testing.assert_allclose(found["intensity"], intensity(atoms, found["q"], b_iso=B_ISO), rtol=1e-6)


def test_born_charges_are_shown_with_their_source() -> None:
    known = Nonanalytic(born_charges={"Pb": 4.4, "S": -4.4}, eps_inf=17.2, source="computed: [field]", charge_sum=2e-4)
    states = (crystal("rest", stable=True).model_copy(update={"nonanalytic": known}), crystal("other", stable=True))
    results = PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=states)
    file = StringIO()
    print_phonons(Console(file=file, width=120), results, analyse_phonons(results))
    (row,) = [line.split() for line in file.getvalue().splitlines() if "[field]" in line]
    assert row == ["rest", "+4.400", "-4.400", "+0.0002", "17.20", "computed:", "[field]"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--phonons", "vibrating"], "has phonons of rest, stretched: name one"),
        (["--phonons", "vibrating", "--crystal", "other"], "no phonons of a crystal 'other'; there are rest"),
        (["--phonons", "vibrating", "--crystal", "stretched"], "has no harmonic B: The crystal is unstable."),
        (["--phonons", "vibrating", "--crystal", "rest", "--temperature", "77"], "not computed at 77 K, but at 300 K"),
        (["--phonons", "vibrating", "--crystal", "rest", "--b-iso", "1"], "both tell B: give one of them"),
        (["--crystal", "rest"], "give --phonons CAMPAIGN, too"),
    ],
)
def test_what_cannot_be_taken_from_phonons_is_told(
    machine: "Machine", cluster: Path, options: list[str], message: str
) -> None:
    answer = machine.qdsim("pattern", str(cluster), *options)
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
