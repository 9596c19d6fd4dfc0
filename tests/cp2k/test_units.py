import pytest
from ase.units import Bohr, GPa, Hartree, kcal, mol

from qdsim.cp2k.units import Quantity, unit_factor


@pytest.mark.parametrize(
    ("unit", "quantity", "expected"),
    [
        ("hartree", "energy", 27.2113860),
        ("a.u.", "energy", Hartree),
        ("Ry", "energy", 13.605693),
        ("eV", "energy", 1.0),
        ("kcalmol", "energy", kcal / mol),
        ("K_e", "energy", 8.617330e-5),
        ("hartree/bohr", "force", 51.4220671),
        ("a.u.", "force", Hartree / Bohr),
        ("eV*angstrom^-1", "force", 1.0),
        ("mN", "force", 624150.913),
        ("bar", "stress", 1e-4),
        ("kbar", "stress", 0.1),
        ("GPa", "stress", 1.0),
        ("atm", "stress", 1.01325e-4),
        ("au_p", "stress", 29421.0),
        ("eV/angstrom^3", "stress", 1 / GPa),
        ("Debye", "dipole", 1.0),
        ("a.u.", "dipole", 2.541746),
    ],
)
def test_units_of_cp2k(unit: str, quantity: Quantity, expected: float) -> None:
    assert unit_factor(unit, quantity) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("unit", "quantity"),
    [
        ("psi", "stress"),
        ("hartree", "force"),
        ("bohr", "energy"),
        ("", "energy"),
        ("eV**2", "energy"),
        ("e*Å", "dipole"),
    ],
)
def test_units_that_are_unknown_or_of_another_quantity_are_refused(unit: str, quantity: Quantity) -> None:
    with pytest.raises(ValueError, match="is not a unit"):
        unit_factor(unit, quantity)
