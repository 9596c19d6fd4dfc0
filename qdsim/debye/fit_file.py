"""Fit files: a model, what to vary of it, and the data it is fitted to, in YAML."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, model_validator

from qdsim.debye.abscissa import HC, Quantity, wavelength_of
from qdsim.debye.corrections import correct
from qdsim.debye.data import ScatteringData
from qdsim.debye.data_files import read_data
from qdsim.debye.fitting import Bounds, FitSettings
from qdsim.debye.mixtures import DISPLACEMENTS
from qdsim.debye.models import PARAMETERS, USUAL_B, NanocrystalModel
from qdsim.debye.origin import Origin
from qdsim.documents import load_document, nearest
from qdsim.errors import QdsimError

USUALLY_VARIED = ("lattice_constant", "b_iso_cation", "b_iso_anion")
"""Parameters that every fit varies unless they are fixed: wrong ones are made up for by size, angle and offset."""


def _known_parameter(name: str) -> str:
    if name not in PARAMETERS:
        raise ValueError(f"no parameter of a model; {nearest(name, list(PARAMETERS))}")
    return name


def _names_or_bounds(value: Any) -> Any:
    """Read a list of names as names without bounds of their own."""
    return dict.fromkeys(value) if isinstance(value, list) and all(isinstance(name, str) for name in value) else value


def _two_numbers(value: Any) -> Any:
    if not (isinstance(value, list | tuple) and len(value) == 2):  # noqa: PLR2004 - a low and a high end
        raise ValueError("give two numbers, [low, high]")
    return value


def _ascending(value: Bounds) -> Bounds:
    if not value[0] < value[1]:
        raise ValueError(f"{value[0]:g} is not below {value[1]:g}; give the lower end first")
    return value


Interval = Annotated[Bounds, BeforeValidator(_two_numbers), AfterValidator(_ascending)]
Parameter = Annotated[str, AfterValidator(_known_parameter)]
Varied = Annotated[
    dict[Parameter, Interval | None],
    BeforeValidator(_names_or_bounds),
]


def _usual_b(bounds: Any) -> float:
    """Return where the search for a B begins within its bounds; what is no pair of numbers is refused elsewhere."""
    try:
        low, high = bounds or (USUAL_B, USUAL_B)
        return float(min(max(USUAL_B, low), high))
    except (TypeError, ValueError):
        return USUAL_B


class DataSection(BaseModel):
    """The data of a fit file.

    Attributes
    ----------
    file, blank
        Pattern, and pattern of solvent and container, which is added to the model with a fitted factor.
    wavelength, energy_kev
        Å or keV; one of them, where the files do not say it.
    quantity, form, two_theta_range
        What the first column is, see `qdsim.debye.data_files.read_data`.
    q_range
        Lowest and highest Q to be used, Å^-1.
    mask
        Ranges of Q to be left out, Å^-1.
    rebin
        Number of points that neighbours are averaged to at most.
    lorentz, polarisation, monochromator, mu_t
        Corrections that pattern and blank are divided by, if asked for, see `qdsim.debye.correct`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    file: Path | None = None
    blank: Path | None = None
    wavelength: PositiveFloat | None = None
    energy_kev: PositiveFloat | None = None
    quantity: Quantity | None = None
    form: Annotated[int, Field(ge=1, le=4)] | None = None
    two_theta_range: tuple[float, float, float] | None = None
    q_range: Interval | None = None
    mask: list[Interval] = []
    rebin: Annotated[int, Field(ge=2)] | None = None
    lorentz: bool = False
    polarisation: float | None = None
    monochromator: float | None = None
    mu_t: float | None = None

    @model_validator(mode="after")
    def _one_wavelength(self) -> Self:
        try:
            wavelength_of(self.wavelength, self.energy_kev)
        except QdsimError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def stated_wavelength(self) -> float | None:
        """Wavelength, Å, that is given as such or as energy; None if neither is."""
        return wavelength_of(self.wavelength, self.energy_kev)

    def read(self) -> tuple[ScatteringData, ScatteringData | None]:
        """Read pattern and blank; the pattern restricted to the range of Q, without what is masked, and rebinned.

        Raises
        ------
        QdsimError
            If no file is named, one cannot be read, or too few points are left.
        """
        if self.file is None:
            raise QdsimError(
                "The fit has no data: name the file after the fit file, or in it under 'data: {file: ...}'."
            )
        data = self._read(self.file)
        if self.q_range is not None:
            data = data.within(*self.q_range)
        data = data.without(self.mask)
        if self.rebin is not None:
            data = data.rebinned(self.rebin)
        return data, None if self.blank is None else self._read(self.blank)

    def _read(self, path: Path) -> ScatteringData:
        data = read_data(
            path,
            quantity=self.quantity,
            wavelength=self.wavelength,
            energy_kev=self.energy_kev,
            form=self.form,
            two_theta_range=self.two_theta_range,
        )
        data = replace(data, source=data.source or path.name)
        if not self.lorentz and self.polarisation is self.monochromator is self.mu_t is None:
            return data
        return correct(
            data,
            lorentz=self.lorentz,
            polarisation=self.polarisation,
            monochromator=self.monochromator,
            mu_t=self.mu_t,
        )


class FitFile(FitSettings):
    """A fit file: the settings of a fit, a model and data.

    Attributes
    ----------
    vary
        As in `FitSettings`; `USUALLY_VARIED` are varied too unless they are fixed.
    fix
        Parameters of these that keep the model's value.
    model
        Where the search begins; a B that is varied begins at `USUAL_B` where none is given.
    data
        What it is fitted to.
    origin
        Where the model comes from, if it was made from a computed structure, as `qdsim export` does.
    """

    vary: Varied = Field(default_factory=dict)
    fix: list[Parameter] = Field(default_factory=list)
    model: NanocrystalModel
    data: DataSection = DataSection()
    origin: Origin | None = None

    @model_validator(mode="before")
    @classmethod
    def _vary_what_a_fit_needs(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        vary, fix = _names_or_bounds(given.get("vary") or {}), given.get("fix") or []
        if not isinstance(vary, dict) or not isinstance(fix, list):
            return given
        vary = vary | {name: None for name in USUALLY_VARIED if name not in (*vary, *fix)}
        given = given | {"vary": vary}
        if isinstance(given.get("model"), dict):
            given["model"] = {name: _usual_b(vary[name]) for name in DISPLACEMENTS if name in vary} | given["model"]
        return given

    @model_validator(mode="after")
    def _varied_or_fixed(self) -> Self:
        if both := [name for name in self.fix if name in self.vary]:
            raise ValueError(f"{both[0]} is both varied and fixed; leave it out of one")
        return self

    def settings(self, wavelength: float | None = None) -> FitSettings:
        """Return the settings of the fit.

        Parameters
        ----------
        wavelength
            Å, for f' and f'' where the file gives no `energy_kev`.
        """
        given = {name: getattr(self, name) for name in FitSettings.model_fields}
        if self.energy_kev is None and wavelength is not None:
            given["energy_kev"] = HC / wavelength
        return FitSettings(**given)


def load_fit_file(path: str | Path) -> FitFile:
    """Read a fit file.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to its folder.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    path = Path(path)
    fit = load_document(path, FitFile, "a fit file")
    files = {name: path.parent / name_of for name in ("file", "blank") if (name_of := getattr(fit.data, name))}
    return fit.model_copy(update={"data": fit.data.model_copy(update=files)})
