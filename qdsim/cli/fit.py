"""`qdsim fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qdsim.cli.fit_options import fit_options, read_input

EXAMPLES = """
\b
Examples:
  qdsim fit fit.yaml                              model, parameters and data as in the file
  qdsim fit fit.yaml pbs50.xye --wavelength 0.563 -o fit.html
  qdsim fit fit.yaml --q-range 1:13 --starts 8 --background 6
  qdsim fit fit.yaml --json > fit.json            everything, with the fitted pattern

\b
A fit file:
  model: {compound: PbS, shape: sphere, diameter: 50, diameter_sd: 4, alpha_rh: 59.5, b_iso_cation: 1.2}
  vary:
    alpha_rh: [58.5, 60.2]                        bounds, or null for the usual ones
    diameter: null
  fix: []                                         of the lattice constant and B, which are varied too
  background: 6                                   Chebyshev terms
  data: {file: pbs50.xye, wavelength: 0.563, q_range: [1, 13]}
  form_factors: {Pb: epdl97.txt}                  own f0, in columns s(1/A) and Pb
  dispersion: none                                no f' and f'', though the wavelength is known
"""


@click.command(epilog=EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("data", required=False, type=click.Path(path_type=Path))
@fit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, output: Path | None, force: bool, as_json: bool, **options: Any) -> None:
    """Fit the model in FILE to DATA.

    FILE names model, parameters and data; DATA, in place of the file's, has columns Q (or 2 theta), intensity and
    uncertainty; their labels, or --quantity, say which. Errors are widened where the model does not describe the data,
    and that is said first; they hold for the shape of the model, and `qdsim compare` tells what others give. The exit
    code is 1 if the search did not converge.
    """
    from qdsim.cli.fit_tables import print_fit
    from qdsim.cli.progress import progress_bar
    from qdsim.cli.terminal import Terminal
    from qdsim.debye.fit_file import load_fit_file
    from qdsim.debye.fitting import Fit
    from qdsim.report.document import check_place, write_file

    if output is not None:
        check_place(output, force)
    console = Terminal(stderr=True)
    fit = load_fit_file(file)
    given = read_input(console, fit, options)
    with progress_bar(console, f"fitting {given.data.source}") as progress:
        result = Fit(*given).run(progress)
    if fit.origin is not None:
        out = console if as_json else Terminal()
        out.print(f"model from {fit.origin.summary}", soft_wrap=True)
    if as_json:
        click.echo(result.model_dump_json(indent=2))
    else:
        print_fit(Terminal(), f"{file.stem}: {given.data.source}", result)
    if output is not None:
        from qdsim.report.scattering_page import render_fit

        page = write_file(output, lambda: render_fit(file.stem, given.data.source, result, fit.origin), force)
        click.echo(page, err=as_json)
    if not result.converged:
        raise SystemExit(1)
