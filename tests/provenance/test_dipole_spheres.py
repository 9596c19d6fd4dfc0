"""Born charges that a campaign has computed are one more source of the dielectric spheres beside its dipoles."""

from typing import Any

import pytest

from qdsim.analysis.phonon_analysis import PhononResults
from qdsim.analysis.phonon_results import Nonanalytic
from qdsim.provenance import dipoles
from tests.phonon_states import phonon_state


def test_only_what_was_computed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = Nonanalytic(
        born_charges={"Pb": 4.65, "S": -4.65}, eps_inf=9.2, source="computed: finite field", charge_sum=0.01
    )
    given = Nonanalytic(born_charges={"Pb": 4.4, "S": -4.4}, eps_inf=17.2, source="a paper")
    states = tuple(
        phonon_state(label, 60.0).model_copy(update={"nonanalytic": found})
        for label, found in (("rest", computed), ("given", given), ("without", None))
    )
    phonons = PhononResults(compound="PbS", cation="Pb", anion="S", protocol="phonons", states=states)
    campaign: Any = None
    monkeypatch.setattr(dipoles, "phonon_results", lambda _: phonons)
    (sphere,) = dipoles._computed_spheres(campaign)
    assert (sphere.born_charge, sphere.eps_inf) == (4.65, 9.2)
    assert sphere.source == "rest of this campaign, computed: finite field"
    monkeypatch.setattr(dipoles, "phonon_results", lambda _: None)
    assert dipoles._computed_spheres(campaign) == []
