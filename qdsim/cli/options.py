"""Values of options that several commands take, each mistake told in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import click

from qdsim.errors import QdsimError

LARGEST_NUMBER = 1_000_000
"""Of values in a grid; more are a slip of the pen."""


class Grid(NamedTuple):
    """Equally spaced values from `low` to `high`, ends included."""

    low: float
    high: float
    number: int

    def values(self) -> list[float]:
        """Return the values."""
        step = (self.high - self.low) / (self.number - 1)
        return [*(self.low + step * i for i in range(self.number - 1)), self.high]


class Axis(NamedTuple):
    """A parameter and its values."""

    name: str
    grid: Grid


class RangeType(click.ParamType):
    """Two ascending numbers."""

    name = "LOW:HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:  # noqa: ARG002 (click's signature)
        """Read LOW:HIGH."""
        low, high = _ascending(value, str(value).split(":"), param, "LOW:HIGH, such as 1:13")
        return low, high


class GridType(click.ParamType):
    """Equally spaced numbers."""

    name = "LOW:HIGH:N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Grid:  # noqa: ARG002 (click's signature)
        """Read LOW:HIGH:N."""
        return _grid(value, str(value), param, "LOW:HIGH:N, such as 1:13:1200")


class AxisType(click.ParamType):
    """A parameter and equally spaced numbers."""

    name = "NAME=LOW:HIGH:N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Axis:  # noqa: ARG002 (click's signature)
        """Read NAME=LOW:HIGH:N."""
        name, _, grid = str(value).partition("=")
        return Axis(name.strip(), _grid(value, grid, param, "NAME=LOW:HIGH:N, such as alpha_rh=58.6:60:15"))


class AssignmentType(click.ParamType):
    """A name and a text."""

    def __init__(self, name: str):
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ARG002 (click's signature)
        """Read NAME=TEXT."""
        name, sign, text = (part.strip() for part in str(value).partition("="))
        if not (name and sign and text):
            raise QdsimError(f"{_option(param)} {value!r} is not understood: write {self.name}.")
        return name, text


class DispersionType(click.ParamType):
    """f' and f'' of an element, or none."""

    name = "none|ELEMENT=F1,F2"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> str | tuple[str, tuple[float, float]]:
        """Read none, or ELEMENT=F1,F2."""
        if value == "none" or isinstance(value, tuple):  # the latter has been converted before
            converted: str | tuple[str, tuple[float, float]] = value
            return converted
        name, _, text = (part.strip() for part in value.partition("="))
        try:
            first, second = (float(word) for word in text.split(","))
        except ValueError:
            first = second = float("nan")
        if not (name and isfinite(first - second)):
            raise QdsimError(f"{_option(param)} {value!r} is not understood: write none, or ELEMENT=F1,F2.")
        return name, (first, second)


def energy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--energy` and `--wavelength` to a command."""
    wavelength = click.option("--wavelength", type=float, metavar="Å", help="Wavelength, in place of the energy.")
    energy = click.option("--energy", type=float, metavar="keV", help="Energy of the photons, for f' and f''.")
    return energy(wavelength(command))


def photon_energy(energy: float | None, wavelength: float | None) -> float | None:
    """Return the energy of the photons, keV, that is given as such or as wavelength (Å).

    Raises
    ------
    QdsimError
        If one is not a positive number, or both are given and differ.
    """
    from qdsim.debye.abscissa import HC, wavelength_of

    in_use = wavelength_of(wavelength, energy)
    return HC / in_use if in_use is not None and energy is None else energy


def finite_number(what: str, text: str) -> float:
    """Read a finite number.

    Raises
    ------
    QdsimError
        If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise QdsimError(f"{what} is {text!r}: give a finite number.")
    return value


def _grid(value: Any, text: str, param: click.Parameter | None, form: str) -> Grid:
    if isinstance(value, Grid):
        return value
    *words, count = text.split(":")
    low, high = _ascending(value, words, param, form)
    if not (count.strip().isdecimal() and 2 <= int(count) <= LARGEST_NUMBER):  # noqa: PLR2004 (a grid has two ends)
        raise QdsimError(
            f"{_option(param)} {value!r} asks for {count!r} values: write {form}, N from 2 to {LARGEST_NUMBER}."
        )
    return Grid(low, high, int(count))


def _ascending(value: Any, words: list[str], param: click.Parameter | None, form: str) -> tuple[float, float]:
    try:
        low, high = (float(word) for word in words)
    except ValueError:
        low = high = float("nan")
    if not (low < high and isfinite(high - low)):
        raise QdsimError(f"{_option(param)} {value!r} is not understood: write {form}, LOW below HIGH.")
    return low, high


def _option(param: click.Parameter | None) -> str:
    return param.opts[-1] if param is not None else "The value"
