import re

import numpy as np
import pytest
import xraydb
from periodictable.cromermann import fxrayatq

from qdsim.debye.form_factors import scattering_amplitude
from qdsim.errors import QdsimError

Q = np.linspace(0, 20, 50)


@pytest.mark.parametrize(("species", "electrons"), [("Pb", 82), ("Pb2+", 80), ("Pb4+", 78), ("S", 16), ("H", 1)])
def test_forward_scattering_counts_the_electrons(species: str, electrons: int) -> None:
    amplitude = scattering_amplitude(species, np.zeros(1))
    assert amplitude[0].real == pytest.approx(electrons, rel=0.002)
    assert amplitude[0].imag == 0


def test_the_form_factor_is_that_of_sin_theta_over_lambda() -> None:
    np.testing.assert_allclose(scattering_amplitude("S", Q).real, xraydb.f0("S", Q / (4 * np.pi)))


@pytest.mark.parametrize("species", ["Pb", "S", "Te", "Cl"])
def test_the_form_factors_agree_with_those_of_cromer_and_mann(species: str) -> None:
    low = np.linspace(0, 4 * np.pi, 40)  # the range of their fit
    older = [fxrayatq(species, q) for q in low]
    np.testing.assert_allclose(scattering_amplitude(species, low).real, older, rtol=0.02)


def test_dispersion_is_added_at_all_q() -> None:
    difference = scattering_amplitude("Pb", Q, energy_kev=17.0) - scattering_amplitude("Pb", Q)
    np.testing.assert_allclose(difference, difference[0])
    assert difference[0].real == pytest.approx(-4.2, abs=0.2)
    assert difference[0].imag > 8


def test_the_imaginary_part_jumps_at_the_absorption_edge() -> None:
    below, above = (scattering_amplitude("Pb", Q[:1], energy_kev=energy).imag[0] for energy in (12.9, 13.2))
    assert above > 2 * below


@pytest.mark.parametrize(("species", "length"), [("Pb", 9.405), ("Pb2+", 9.405), ("S", 2.847), ("H", -3.739)])
def test_neutron_lengths_are_those_of_sears(species: str, length: float) -> None:
    amplitude = scattering_amplitude(species, Q, radiation="neutron")
    np.testing.assert_allclose(amplitude.real, length, rtol=2e-3)


@pytest.mark.parametrize(("species", "length"), [("D", 6.671), ("2H", 6.671), ("62Ni", -8.7), ("Ni-62", -8.7)])
def test_neutron_lengths_of_isotopes_are_their_own(species: str, length: float) -> None:
    np.testing.assert_allclose(scattering_amplitude(species, Q, radiation="neutron").real, length, rtol=2e-3)


@pytest.mark.parametrize(("species", "element"), [("D", "H"), ("2H", "H"), ("62Ni", "Ni"), ("Ni-62", "Ni")])
def test_x_rays_do_not_tell_isotopes_apart(species: str, element: str) -> None:
    np.testing.assert_array_equal(scattering_amplitude(species, Q, 17.0), scattering_amplitude(element, Q, 17.0))


def test_absorbing_nuclei_have_a_complex_length() -> None:
    amplitude = scattering_amplitude("Cd", Q, radiation="neutron")
    assert amplitude[0].imag != 0


def test_amplitudes_cannot_be_spoilt_for_others() -> None:
    amplitude = scattering_amplitude("Pb", Q)
    with pytest.raises(ValueError, match="read-only"):
        amplitude[0] = 0


@pytest.mark.parametrize(
    ("species", "options", "message"),
    [
        ("Xx", {}, "form factors of 'Xx' are not tabulated"),
        ("S2-", {}, "form factors of 'S2-' are not tabulated"),
        ("Og", {}, "form factors of 'Og' are not tabulated"),
        ("Cf", {"energy_kev": 17.0}, "f' and f'' of Cf are not tabulated"),
        ("Xx", {"radiation": "neutron"}, "'Xx' is no chemical element"),
        ("Og", {"radiation": "neutron"}, "No neutron scattering length of Og"),
        ("Pb", {"radiation": "electron"}, "The radiation is 'electron'"),
        ("Pb", {"energy_kev": 0.05}, "The photon energy is 0.05 keV"),
        ("Pb", {"energy_kev": float("inf")}, "The photon energy is inf keV"),
        ("Pb", {"energy_kev": float("nan")}, "The photon energy is nan keV"),
    ],
)
def test_what_is_not_tabulated_is_told(species: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(QdsimError, match=re.escape(message)):
        scattering_amplitude(species, Q, **options)  # type: ignore[arg-type]  # options of any kind are what is tested


@pytest.mark.parametrize("energy", [0.1, 400.0])
@pytest.mark.parametrize("species", ["H", "S", "Pb", "U"])
def test_the_whole_range_of_energies_gives_numbers(energy: float, species: str) -> None:
    assert np.isfinite(scattering_amplitude(species, Q, energy_kev=energy)).all()
