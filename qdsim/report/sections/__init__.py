"""Sections of the report.

A section is a module of this package with one function marked by `section`, and a template of the same name beside
it (``<module>.jinja``). The function returns what the template needs, or None where the data have nothing for it.
A new section is found by being there.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qdsim.report.data import ReportData

Context = Mapping[str, Any]
Build = Callable[[ReportData], Context | None]


@dataclass(frozen=True)
class Section:
    """A section: its name (also of its template), heading, place on the page, and the function that fills it."""

    name: str
    title: str
    order: int
    build: Build

    @property
    def template(self) -> str:
        """File name of the template."""
        return f"{self.name}.jinja"


_registry: dict[str, Section] = {}


def section(title: str, *, order: int) -> Callable[[Build], Build]:
    """Register the decorated function as the section named after its module.

    Parameters
    ----------
    title
        Heading on the page; an empty one leaves the heading out.
    order
        Sections are shown by increasing order.
    """

    def register(build: Build) -> Build:
        name = build.__module__.rpartition(".")[2]
        _registry[name] = Section(name, title, order, build)
        return build

    return register


def all_sections() -> list[Section]:
    """Return every section in the order of the page."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_registry.values(), key=lambda found: found.order)
