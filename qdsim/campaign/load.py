"""From a YAML file to a checked campaign, with paths that exist."""

from pathlib import Path
from typing import Any, TypeVar

from qdsim.campaign.schema import Campaign, ClusterPatternsSection, ScatteringSection
from qdsim.documents import load_document

Patterns = TypeVar("Patterns", bound=ClusterPatternsSection)


def load_campaign(path: str | Path) -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to its folder.

    Returns
    -------
    Campaign
        The checked campaign, its paths absolute.

    Raises
    ------
    QdsimError
        If the file cannot be read, is not YAML, or does not follow the schema: file, line and field are named.
    """
    path = Path(path)
    return _resolve_paths(load_document(path, Campaign, "a campaign"), path.parent.resolve())


def _resolve_paths(campaign: Campaign, folder: Path) -> Campaign:
    changes: dict[str, Any] = {}
    if campaign.structure is not None:
        changes["structure"] = folder / campaign.structure
    changes |= _resolve_template(campaign.overrides, folder)
    for name in ("phonon", "vacancy", "dipole"):
        section = getattr(campaign, name)
        if section is not None:
            changes[name] = section.model_copy(update=_resolve_template(section.overrides, folder))
    if campaign.dipole is not None:
        patterns = _resolve_patterns(campaign.dipole.patterns, folder)
        changes["dipole"] = changes["dipole"].model_copy(update={"patterns": patterns})
    if campaign.dipole is not None and campaign.dipole.lattice.fits is not None:
        lattice = campaign.dipole.lattice.model_copy(update={"fits": folder / campaign.dipole.lattice.fits})
        changes["dipole"] = changes["dipole"].model_copy(update={"lattice": lattice})
    if campaign.scattering is not None:
        changes["scattering"] = _resolve_scattering(campaign.scattering, folder)
    return campaign.model_copy(update=changes)


def _resolve_template(overrides: dict[str, Any], folder: Path) -> dict[str, Any]:
    template = overrides.get("template")
    if isinstance(template, str) and (folder / template).is_file():
        return {"overrides": {**overrides, "template": str(folder / template)}}
    return {}


def _resolve_scattering(section: ScatteringSection, folder: Path) -> ScatteringSection:
    fits = None if section.fits is None else folder / section.fits
    data = {sample: folder / path for sample, path in section.data.items()}
    patterns = _resolve_patterns(section.patterns, folder)
    return section.model_copy(update={"fits": fits, "data": data, "patterns": patterns})


def _resolve_patterns(section: Patterns, folder: Path) -> Patterns:
    files = {element: folder / path for element, path in section.form_factors.items()}
    return section.model_copy(update={"form_factors": files})
