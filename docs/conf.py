"""Sphinx configuration."""

from qdsim import __version__

project = "qdsim"
author = "The qdsim developers"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
html_theme = "furo"
html_title = f"qdsim {release}"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]
