"""What the commands that fit have in common: options that change a fit file, and the reading of its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from qdsim.cli.options import RangeType, energy_options
from qdsim.cli.progress import spoken_warnings

if TYPE_CHECKING:
    from rich.console import Console

    from qdsim.debye.data import ScatteringData
    from qdsim.debye.fit_file import DataSection, FitFile
    from qdsim.debye.fitting import FitSettings
    from qdsim.debye.models import NanocrystalModel


QUANTITIES = ("q", "q_nm", "two_theta", "two_theta_rad", "two_theta_centi")
"""Q in Å^-1 or nm^-1, 2 theta in degrees, radians or hundredths of a degree."""


class FitInput(NamedTuple):
    """A fit file with its data read."""

    model: NanocrystalModel
    data: ScatteringData
    settings: FitSettings
    blank: ScatteringData | None


def fit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that replace what a fit file says, and those of the output."""
    options = (
        click.option("--blank", type=click.Path(path_type=Path), help="Pattern of solvent and container."),
        click.option("--quantity", type=click.Choice(QUANTITIES), help="First column, where the data do not say it."),
        click.option("--q-range", type=RangeType(), help="Q to be used, Å^-1."),
        click.option("--rebin", type=click.IntRange(2), metavar="N", help="Average neighbours to at most N points."),
        energy_options,
        click.option("--background", type=click.IntRange(0, 40), metavar="N", help="Number of Chebyshev terms."),
        click.option("--starts", type=click.IntRange(1, 1000), metavar="N", help="Number of searches."),
        click.option("-o", "--output", type=click.Path(path_type=Path), help="Draw the results into this HTML file."),
        click.option("--force", is_flag=True, help="Replace an existing file."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_input(console: Console, fit: FitFile, options: dict[str, Any]) -> FitInput:
    """Read the data of a fit file.

    Parameters
    ----------
    console
        Told the reservations of the reading.
    fit
        The fit file.
    options
        Those of `fit_options`, and "data"; those that are None leave what the file says.

    Raises
    ------
    QdsimError
        If there are no data, or they cannot be used.
    """
    data, blank = read_data(console, fit.data, options)
    return FitInput(fit.model, data, chosen_settings(fit, data.wavelength, options), blank)


def read_data(
    console: Console, section: DataSection, options: dict[str, Any]
) -> tuple[ScatteringData, ScatteringData | None]:
    """Read pattern and blank; parameters and errors are those of `read_input`."""
    changes = {name: options[name] for name in ("blank", "quantity", "q_range", "rebin") if options[name] is not None}
    if options["data"] is not None:
        changes["file"] = options["data"]
    if options["energy"] is not None or options["wavelength"] is not None:
        changes |= {"energy_kev": options["energy"], "wavelength": options["wavelength"]}
    with spoken_warnings(console):
        return section.model_copy(update=changes).read()


def chosen_settings(fit: FitFile, wavelength: float | None, options: dict[str, Any]) -> FitSettings:
    """Return the settings of a fit file as the options change them; `wavelength` (Å) is that of the data."""
    changes = {name: options[name] for name in ("background", "starts") if options[name] is not None}
    return fit.settings(wavelength).model_copy(update=changes)
