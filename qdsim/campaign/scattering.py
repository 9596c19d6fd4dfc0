"""What a check by scattering needs: fits and data that have been read, and the inputs of the work chain."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qdsim.analysis.consistency import check_compound
from qdsim.analysis.consistency_results import CheckSettings
from qdsim.analysis.scattering_fit import ScatteringFits, load_fits
from qdsim.campaign.schema import ClusterPatternsSection, ScatteringSection
from qdsim.cp2k.compounds import Compound
from qdsim.cp2k.inputs import Settings
from qdsim.errors import QdsimError
from qdsim.workflows.documents import Cut, Lattice, MeasuredPattern, PatternSettings

if TYPE_CHECKING:
    from qdsim.debye.fit_file import FitFile

FIT_FILES = {".yaml", ".yml", ".json"}
"""How the names of fit files end; other files are data."""
USUAL_SPREAD = 0.08
"""Standard deviation over mean of the diameters that a fit begins with where only the mean is known."""
USUAL_B = 1.0
"""Å^2; where the fit of B begins."""
USUAL_BACKGROUND = 6
"""Chebyshev terms of a fit for which no fit file is given."""
FINE_MESH = 1000
"""k-points times formula units, 10 x 10 x 10 for the primitive cell, from which on the onset is converged."""


@dataclass(frozen=True)
class MeasuredData:
    """A measured pattern: its files, and how it is fitted."""

    measured: MeasuredPattern
    file: Path
    blank: Path | None

    def document(self) -> dict[str, Any]:
        """Return what decides the result of the fit."""
        files = [path for path in (self.file, self.blank) if path is not None]
        digests = [sha256(path.read_bytes()).hexdigest() for path in files]
        return {**self.measured.model_dump(mode="json"), "digests": digests}


@dataclass(frozen=True)
class ScatteringPlan:
    """A check by scattering, with every choice made."""

    settings: CheckSettings
    patterns: PatternSettings
    fits: ScatteringFits | None
    data: tuple[MeasuredData, ...]
    code: str | None

    def document(self) -> dict[str, Any]:
        """Return everything that decides the results."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "patterns": self.patterns.model_dump(mode="json"),
            "fits": None if self.fits is None else self.fits.model_dump(mode="json"),
            "data": [one.document() for one in self.data],
        }

    def inputs(self) -> dict[str, Any]:
        """Return the inputs of the work chain, without those that were computed; an AiiDA profile is loaded."""
        from aiida import orm

        inputs: dict[str, Any] = {
            "settings": orm.Dict(self.settings.model_dump(mode="json")),
            "pattern_settings": orm.Dict(self.patterns.model_dump(mode="json")),
            "data": {label: data_nodes(one) for label, one in zip(data_labels(self.data), self.data, strict=True)},
        }
        if self.fits is not None:
            inputs["fits"] = orm.Dict(self.fits.model_dump(mode="json"))
        code = _fit_code(self.code)
        if code is not None:
            inputs["code"] = code
        return inputs


def plan_scattering(
    section: ScatteringSection, compound: Compound, reservations: list[str] | None = None
) -> ScatteringPlan:
    """Read fits and data, and make every choice that the section leaves.

    Parameters
    ----------
    section
        Of a campaign, its paths absolute.
    compound
        What is computed.
    reservations
        Of the computed series, one sentence each.

    Raises
    ------
    QdsimError
        If a file cannot be used, or is of another compound.
    """
    fits = None if section.fits is None else load_fits(section.fits)
    if fits is not None:
        check_compound(fits, compound.name)
    settings = CheckSettings(
        compound=compound.name,
        reference=section.reference,
        bulk_lattice_constant=compound.experimental_lattice_constant,
        bulk_source=compound.source,
        tolerances=section.tolerances,
        reservations=reservations or [],
    )
    _check_shape(section.patterns.shape)
    cut = Cut(
        cation=compound.cation,
        anion=compound.anion,
        diameter=section.patterns.diameter,
        shape=section.patterns.shape,
    )
    patterns = pattern_settings(section.patterns, {compound.cation, compound.anion}, cut)
    data = tuple(_measured(sample, path, compound, fits, patterns) for sample, path in section.data.items())
    return ScatteringPlan(settings, patterns, fits, data, section.code)


def pattern_settings(
    section: ClusterPatternsSection, elements: Collection[str], cut: Cut | None = None
) -> PatternSettings:
    """Read the form factors that a section names, and return which scattering is computed.

    Parameters
    ----------
    section
        Of a campaign, its paths absolute.
    elements
        That scatter.
    cut
        The particle that is cut from crystals.

    Raises
    ------
    QdsimError
        If form factors or dispersion cannot be used for these elements.
    """
    others = section.model_dump(exclude={"diameter", "shape", "form_factors"})
    if not section.form_factors and isinstance(section.dispersion, str):
        return PatternSettings(cut=cut, **others)
    from qdsim.debye.form_factor_tables import read_form_factors
    from qdsim.debye.form_factors import element_amplitudes
    from qdsim.debye.linear_part import CurveSettings

    tables = {element: read_form_factors(path, element) for element, path in section.form_factors.items()}
    documents = {element: table.model_dump(mode="json") for element, table in tables.items()}
    settings = PatternSettings(cut=cut, form_factors=documents, **others)
    used = CurveSettings(form_factors=tables, dispersion=section.dispersion).scattering
    ends = np.array([settings.q_min, settings.q_max])
    element_amplitudes(tuple(elements), ends, used, f"what is computed has {', '.join(sorted(elements))}")
    return settings


def mesh_reservations(compound: str, settings: Settings, lattice: Lattice) -> list[str]:
    """Tell where the k-mesh of a series is too coarse for the onset of the distortion."""
    mesh = settings.k_points or (1, 1, 1)
    density = int(np.prod(mesh)) * round(abs(float(np.linalg.det(np.array(lattice.supercell)))))
    if density >= FINE_MESH:
        return []
    return [
        f"The k-mesh of {'×'.join(map(str, mesh))} is too coarse for the onset of the distortion, which it puts at "
        "another strain than a fine one: of PbS at +0.35 % with 6×6×6, and at +0.63 % with 10×10×10. Use the protocol "
        f"'precise' before {compound} is judged by it."
    ]


def data_labels(data: tuple[MeasuredData, ...]) -> list[str]:
    """Return identifiers for measured patterns that can stand in link labels, such as `sample_0_3p2_nm`."""
    return [
        f"sample_{index}_" + re.sub(r"[^A-Za-z0-9]+", "_", one.measured.sample).strip("_")[:40].lower()
        for index, one in enumerate(data)
    ]


def _measured(
    sample: str, path: Path, compound: Compound, fits: ScatteringFits | None, patterns: PatternSettings
) -> MeasuredData:
    """Read a fit file and its data, or data alone."""
    from qdsim.debye.fit_file import load_fit_file

    if path.suffix.lower() in FIT_FILES:
        fit = load_fit_file(path)
    else:
        fit = _usual_fit(sample, path, compound, fits, patterns)
    if fit.model.compound != compound.name:
        raise QdsimError(
            f"{path}: the model is of {fit.model.compound}, and what is computed is {compound.name}: give a fit of "
            f"{compound.name}."
        )
    return measure(sample, path, fit)


def measure(sample: str, path: Path, fit: FitFile) -> MeasuredData:
    """Read the data that a fit file names, to be sure that they can be used.

    Raises
    ------
    QdsimError
        If they cannot, or none are named.
    """
    if fit.data.file is None:
        raise QdsimError(f"{path}: the fit file names no data: add 'data: {{file: ...}}'.")
    fit.data.read()
    document = fit.model_dump(mode="json", exclude={"data": {"file", "blank"}, "origin": True})
    measured = MeasuredPattern(sample=sample, file=fit.data.file.name, fit=document)
    return MeasuredData(measured, fit.data.file, fit.data.blank)


def _usual_fit(
    sample: str, path: Path, compound: Compound, fits: ScatteringFits | None, patterns: PatternSettings
) -> FitFile:
    """Return the fit of a pattern that comes without a fit file: a sphere of the diameter that the fits state.

    Form factors and dispersion are those of the computed patterns.
    """
    from qdsim.analysis.sample_values import known_values
    from qdsim.debye.fit_file import DataSection, FitFile
    from qdsim.debye.models import NanocrystalModel

    stated = next((one for one in fits.samples if one.name == sample), None) if fits is not None else None
    known: Mapping[str, Any] = {} if stated is None else known_values(stated, {})
    if "diameter" not in known:
        raise QdsimError(
            f"{path}: data alone do not say where a fit begins: give a fit file (.yaml) with a model, or --fits that "
            f"state the diameter of sample '{sample}'."
        )
    diameter = known["diameter"].value
    begin = {name: found.value for name, found in known.items() if name in NanocrystalModel.model_fields}
    edge = (4 * known["volume"].value) ** (1 / 3) if "volume" in known else compound.experimental_lattice_constant
    usual = {"b_iso_cation": USUAL_B, "b_iso_anion": USUAL_B, "diameter_sd": USUAL_SPREAD * diameter}
    model = NanocrystalModel(compound=compound.name, **{**usual, **begin, "lattice_constant": edge})
    varied = ("lattice_constant", "alpha_rh", "pb_offset", "diameter", "diameter_sd", "b_iso_cation", "b_iso_anion")
    return FitFile.model_validate(
        {
            "model": model,
            "vary": dict.fromkeys(varied),
            "background": USUAL_BACKGROUND,
            "form_factors": patterns.form_factors,
            "dispersion": patterns.dispersion,
            "data": DataSection(file=path),
        }
    )


def _check_shape(name: str) -> None:
    from qdsim.structures import Shape

    Shape.from_name(name)


def data_nodes(one: MeasuredData) -> dict[str, Any]:
    """Return the nodes of a measured pattern; an AiiDA profile is loaded."""
    from aiida import orm

    nodes: dict[str, Any] = {
        "measured": orm.Dict(one.measured.model_dump(mode="json")),
        "pattern": orm.SinglefileData(one.file, filename=one.file.name),
    }
    if one.blank is not None:
        nodes["blank"] = orm.SinglefileData(one.blank, filename=one.blank.name)
    return nodes


def _fit_code(label: str | None) -> Any:
    """Return the code that is asked for, or the one of this machine where there is one."""
    from qdsim.campaign.codes import load_code
    from qdsim.machine.codes import QDSIM, find_code
    from qdsim.machine.computers import find_computer

    if label is not None:
        return load_code(label)
    computer = find_computer("localhost")
    return None if computer is None else find_code(QDSIM, computer)
