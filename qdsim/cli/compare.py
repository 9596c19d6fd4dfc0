"""`qdsim compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdsim.cli.fit_options import chosen_settings, fit_options, read_data
from qdsim.errors import QdsimError

if TYPE_CHECKING:
    from qdsim.debye.fit_file import DataSection, FitFile

FIT_FILES = {".yaml", ".yml"}
"""How the names of fit files end; a last file of another name is data."""

EXAMPLES = """
\b
Examples:
  qdsim compare fit.yaml                                 shapes, then vacancies in shell and core
  qdsim compare fit.yaml --no-shapes                     vacancies alone, in the shape of the file
  qdsim compare fit.yaml pbs50.xye                       on other data than the file names
  qdsim compare sphere.yaml cube.yaml pbs50.xye          any models, on the same data
  qdsim compare fit.yaml -o models.html
"""


@click.command(epilog=EXAMPLES)
@click.argument("files", metavar="FILE.yaml... [DATA]", nargs=-1, required=True, type=click.Path(path_type=Path))
@fit_options
@click.option(
    "--shapes/--no-shapes", default=True, help="Try all shapes before vacancies (the default), or that of FILE alone."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    files: tuple[Path, ...], output: Path | None, force: bool, shapes: bool, as_json: bool, **options: Any
) -> None:
    """Fit several models to the same data, and tell which one they prefer.

    Of one fit file all shapes are compared as stoichiometric crystals; then that of the file and the best one also with
    vacancies in a shell, and with vacancies in core and shell. Several files are compared as they are. Each fitted
    number counts against a model (AIC, BIC), less so where no model describes the data. The exit code is 1 if a search
    did not converge.
    """
    from qdsim.cli.fit_tables import print_comparison
    from qdsim.cli.progress import progress_bar
    from qdsim.cli.terminal import Terminal
    from qdsim.debye.candidates import stoichiometry_models
    from qdsim.debye.comparison import compare, compare_shapes
    from qdsim.debye.fit_file import load_fit_file
    from qdsim.report.document import check_place, write_file

    if output is not None:
        check_place(output, force)
    console = Terminal(stderr=True)
    *fit_files, last = files
    options["data"] = last if fit_files and last.suffix not in FIT_FILES else None
    if options["data"] is not None:
        files = tuple(fit_files)
    if len(set(files)) < len(files):
        raise QdsimError("A fit file is given twice: name each of them once.")
    stems = {file.stem: file for file in files}
    fits = stems if len(stems) == len(files) else {str(file): file for file in files}
    loaded = {name: load_fit_file(file) for name, file in fits.items()}
    data, blank = read_data(console, _common_data(list(loaded.values()), options["data"]), options)
    models = {name: (fit.model, chosen_settings(fit, data.wavelength, options)) for name, fit in loaded.items()}
    first, *others = models.values()
    if others and not shapes:
        raise QdsimError("--no-shapes goes with one fit file; several are compared as they are: leave it out.")
    with progress_bar(console, "fitting models") as progress:
        if others:
            comparison = compare(models, data, blank, progress)
        elif shapes:
            comparison = compare_shapes(*first, data, blank, progress)
        else:
            comparison = compare(stoichiometry_models(*first), data, blank, progress)
    title = ", ".join(loaded)
    if as_json:
        click.echo(comparison.model_dump_json(indent=2))
    else:
        print_comparison(Terminal(), f"{title}: {data.source}", comparison)
    if output is not None:
        from qdsim.report.scattering_page import render_comparison

        click.echo(write_file(output, lambda: render_comparison(title, data.source, comparison), force), err=as_json)
    if not all(one.result.converged for one in comparison.models):
        raise SystemExit(1)


def _common_data(fits: list[FitFile], replaced: Path | None) -> DataSection:
    """Return the data that all fit files name, those left out that name none.

    Raises
    ------
    QdsimError
        If they differ: models can be compared on the same data only.
    """
    from qdsim.debye.fit_file import DataSection

    sections = [fit.data.model_copy(update={"file": None}) if replaced else fit.data for fit in fits]
    named = [section for section in sections if section != DataSection()]
    if any(section != named[0] for section in named):
        raise QdsimError("The fit files differ in their data: give all of them the same section 'data'.")
    return named[0] if named else DataSection()
