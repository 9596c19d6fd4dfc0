"""Which scattering amplitudes a pattern was computed with, as a document."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from qdsim.debye.form_factors import Scattering, dispersion_of

WAASMAIER_KIRFEL = "Waasmaier & Kirfel (1995)"
CHANTLER = "Chantler (2000)"


class AmplitudeSource(BaseModel):
    """What an element scatters X-rays or neutrons with.

    Attributes
    ----------
    form_factor
        Where f0, or the scattering length of neutrons, is from.
    f1, f2
        f' and f'', electrons; None where there are none.
    dispersion
        Where these are from, or why there are none; empty for neutrons.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    form_factor: str
    f1: float | None
    f2: float | None
    dispersion: str

    def __str__(self) -> str:
        """Return a phrase."""
        if self.f1 is None or self.f2 is None:
            return ", ".join(filter(None, (self.form_factor, self.dispersion)))
        return f"{self.form_factor}, f' = {self.f1:.4g} and f'' = {self.f2:.4g} {self.dispersion}"


def amplitude_sources(elements: Sequence[str], scattering: Scattering) -> dict[str, AmplitudeSource]:
    """Tell what each element scatters with.

    Parameters
    ----------
    elements
        Chemical symbols.
    scattering
        Radiation, energy and form factors, as `qdsim.debye.form_factors.element_amplitudes` takes them.
    """
    if scattering.radiation == "neutron":
        length = AmplitudeSource(form_factor="bound coherent scattering length", f1=None, f2=None, dispersion="")
        return dict.fromkeys(elements, length)
    return {symbol: _source(symbol, scattering) for symbol in elements}


def _source(symbol: str, scattering: Scattering) -> AmplitudeSource:
    species, table = dict(scattering.ions).get(symbol, symbol), dict(scattering.form_factors).get(symbol)
    form_factor = f"f0 of {species} by {WAASMAIER_KIRFEL}" if table is None else f"f0 of {table.source}"
    if not isinstance(scattering.dispersion, str):
        first, second = dict(scattering.dispersion)[symbol]
        return AmplitudeSource(form_factor=form_factor, f1=first, f2=second, dispersion="as given")
    numbers = dispersion_of(species, scattering.energy_kev, scattering.dispersion)
    if numbers is None:
        why = "switched off" if scattering.dispersion == "none" else "left out, for no energy is known"
        return AmplitudeSource(form_factor=form_factor, f1=None, f2=None, dispersion=f"f' and f'' {why}")
    by = f"by {CHANTLER} at {scattering.energy_kev:.5g} keV"
    return AmplitudeSource(form_factor=form_factor, f1=numbers[0], f2=numbers[1], dispersion=by)


def say_sources(sources: Mapping[str, AmplitudeSource]) -> str:
    """Return one phrase on all elements; empty if nothing is known."""
    return "; ".join(f"{symbol}: {source}" for symbol, source in sources.items())
