"""Write the report: one HTML file that needs nothing beside itself."""

import base64
import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.errors import QdsimError
from qdsim.report.data import ReportData

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.graph_objects import Figure


def render_report(data: ReportData) -> str:
    """Return the report as one HTML document, with plotly.js, styles and data inside.

    Parameters
    ----------
    data
        What the report shows. All its text is escaped.

    Returns
    -------
    str
        The document. Its content security policy allows no script but its own and no network.
    """
    from plotly.offline import get_plotlyjs

    from qdsim.report.headline import failures
    from qdsim.report.sections import all_sections

    environment = _environment()
    sections = []
    for section in all_sections():
        context = section.build(data)
        if context is not None:
            body = environment.get_template(section.template).render(data=data, **context)
            sections.append((section, body))
    scripts = [get_plotlyjs().replace("\r\n", "\n"), _read("report.js")]
    return environment.get_template("report.jinja").render(
        data=data,
        created=data.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        troubled=bool(failures(data)),
        sections=sections,
        style=_read("report.css"),
        plotly=scripts[0],
        script=scripts[1],
        script_hashes=" ".join(_hash(script) for script in scripts),
    )


def write_report(data: ReportData, path: Path, force: bool = False) -> Path:
    """Write the report to a file.

    Parameters
    ----------
    data
        What the report shows.
    path
        The HTML file to write.
    force
        Replace a file that is there already.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    QdsimError
        If the file exists and `force` is not set, or cannot be written. What was there before is left as it was.
    """
    path = Path(path)
    try:
        _check_place(path, force)
        document = render_report(data)
        with _replacing(path) as temporary:
            temporary.write_text(document, encoding="utf-8")
    except OSError as error:
        raise QdsimError(f"Cannot write {path}: {error.strerror or error}. Give another path with --output.") from error
    return path


def _check_place(path: Path, force: bool) -> None:
    if path.is_dir():
        raise QdsimError(f"{path} is a folder: give the name of the report file.")
    if path.exists() and not force:
        raise QdsimError(f"{path} exists: give another name, or --force to replace it.")
    if not path.parent.is_dir():
        raise QdsimError(f"The folder {path.parent} does not exist: make it first, or give another path.")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place at the end, or vanishes on any error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader([here, here / "sections"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure_json"] = _figure_json
    return environment


def _figure_json(figure: "Figure") -> "Markup":
    """Return a figure as JSON in which no text can end the script element around it."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(figure, dumps=lambda drawn: str(drawn.to_json()))


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
