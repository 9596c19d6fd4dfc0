"""Every number of a results document has a unit, or is known to have none."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from qdsim.analysis.consistency_results import Consistency
from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.dipole_results import DipoleResults
from qdsim.analysis.phonon_analysis import PhononAnalysis, PhononResults
from qdsim.analysis.result_rows import CURVES
from qdsim.analysis.strain_results import StrainResults
from qdsim.analysis.units import NO_UNIT, UNITS, unit_of
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.analysis.vacancy_results import VacancyResults

DOCUMENTS = (
    StrainResults,
    VacancyResults,
    VacancyAnalysis,
    DipoleResults,
    DipoleAnalysis,
    PhononResults,
    PhononAnalysis,
    Consistency,
)


def holds_numbers(annotation: Any) -> bool:
    return annotation is float or any(holds_numbers(inner) for inner in get_args(annotation))


def names_in(model: Any) -> set[str]:
    """Return the fields of a model, and of the models in it, that hold numbers with decimals."""
    found: set[str] = set()
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            if name not in CURVES:
                found |= ({name} if holds_numbers(field.annotation) else set()) | names_in(field.annotation)
    for inner in get_args(model):
        found |= names_in(inner)
    return found


@pytest.mark.parametrize("model", DOCUMENTS)
def test_the_fields_of_every_document_are_known(model: type[BaseModel]) -> None:
    names = names_in(model)
    assert names
    assert names <= set(UNITS)


def test_the_innermost_known_name_decides_and_what_it_is_in_counts() -> None:
    assert unit_of(["formation_energies", "relaxed", "chemical", "Pb"]).symbol == "eV"
    assert unit_of(["decompositions", "angle"]).symbol == "eV"
    assert unit_of(["rows", "angle"]).symbol == "°"
    assert unit_of(["points", "linear_strain"]).factor == 100
    assert unit_of(["nothing"]) == NO_UNIT
