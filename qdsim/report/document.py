"""An HTML document that needs nothing beside itself: how it is put together, and how a file takes its place."""

import base64
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdsim import __version__
from qdsim.errors import QdsimError
from qdsim.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class DocumentSection:
    """A part of a document.

    Attributes
    ----------
    name
        Identifier, unique in the document.
    title
        Heading; an empty one leaves it out, and the section out of the navigation.
    body
        HTML, see `render_body`.
    """

    name: str
    title: str
    body: str


def render_body(template: str, **context: Any) -> str:
    """Fill a template of this package or of its sections; all text is escaped."""
    return _environment().get_template(template).render(context)


def render_document(
    title: str,
    facts: Sequence[str],
    sections: Sequence[DocumentSection],
    *,
    status: str = "",
    troubled: bool = False,
    version: str = __version__,
) -> str:
    """Return an HTML document with plotly.js, styles and data inside.

    Parameters
    ----------
    title
        Heading of the page.
    facts
        Short texts below it.
    sections
        The parts of the page.
    status
        Last of the facts, in a colour that says whether all is well.
    troubled
        Whether it is not.
    version
        Version of this package that made the content.

    Returns
    -------
    str
        The document. Its content security policy allows no script but its own and no network.
    """
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs().replace("\r\n", "\n"), _read("report.js")]
    return render_body(
        "document.jinja",
        title=title,
        facts=facts,
        sections=sections,
        status=status,
        troubled=troubled,
        version=version,
        style=_read("report.css"),
        scripts=scripts,
        script_hashes=" ".join(_hash(script) for script in scripts),
    )


def write_file(path: Path, make: Callable[[], str], force: bool = False) -> Path:
    """Write a file in one step: a failure on the way leaves what was there before as it was.

    Parameters
    ----------
    path
        The file to write.
    make
        Returns its text; called when it is known that the place can be used.
    force
        Replace a file that is there already.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    QdsimError
        If the file exists and `force` is not set, or cannot be written.
    """
    with replacing(path, force) as temporary:
        temporary.write_text(make(), encoding="utf-8", errors="replace")
    return path


@contextlib.contextmanager
def replacing(path: Path, force: bool = False) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place at the end, or vanishes on any error.

    Raises
    ------
    QdsimError
        If the place cannot be used, see `check_place`, or written to.
    """
    try:
        check_place(path, force)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise QdsimError(f"Cannot write {path}: {error.strerror or error}. Give another path with --output.") from error


def check_place(path: Path, force: bool = False) -> None:
    """Refuse a place that cannot be written to, before the work whose result is to go there.

    Raises
    ------
    QdsimError
        If the file exists and `force` is not set, it is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise QdsimError(f"{path} is a folder: give the name of a file.")
    if path.exists() and not force:
        raise QdsimError(f"{path} exists: give another name, or --force to replace it.")
    if not path.parent.is_dir():
        raise QdsimError(f"The folder {path.parent} does not exist: make it first, or give another path.")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader([here, here / "sections"]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure_json"] = _figure_json
    return environment


def _visible(value: Any) -> Any:
    """Mark in texts what is not seen, such as what turns the direction of writing; leave markup of our own."""
    return printable(value) if type(value) is str else value


def _figure_json(figure: "Figure") -> "Markup":
    """Return a figure as JSON in which no text can end the script element around it."""
    from jinja2.utils import htmlsafe_json_dumps

    return htmlsafe_json_dumps(figure, dumps=lambda drawn: printable(str(drawn.to_json())))


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
