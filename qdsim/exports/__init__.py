"""Computed structures as files of other programs, each with its origin: no AiiDA, no CP2K."""

from qdsim.exports.crystals import format_cif, format_stru, format_xyz
from qdsim.exports.debussy import cut_cluster, format_debussy
from qdsim.exports.fit_models import format_json, make_fit_file
from qdsim.exports.text_files import check_folder, safe_name, write_folder

__all__ = [
    "check_folder",
    "cut_cluster",
    "format_cif",
    "format_debussy",
    "format_json",
    "format_stru",
    "format_xyz",
    "make_fit_file",
    "safe_name",
    "write_folder",
]
