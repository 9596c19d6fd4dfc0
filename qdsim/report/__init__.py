"""The report of a campaign: figures, and one self-contained HTML file."""

from qdsim.report.data import Effort, PointStructures, Reference, ReportData, Structure, node_behind
from qdsim.report.page import render_report, write_report

__all__ = [
    "Effort",
    "PointStructures",
    "Reference",
    "ReportData",
    "Structure",
    "node_behind",
    "render_report",
    "write_report",
]
