"""What computed structures scatter."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase import Atoms

from qdsim.analysis.consistency_results import Consistency
from qdsim.analysis.phonon_analysis import PhononAnalysis
from qdsim.analysis.phonon_rows import compared_displacements
from qdsim.debye.amplitude_sources import amplitude_sources
from qdsim.debye.form_factor_tables import FormFactorTable
from qdsim.debye.intensity import intensity
from qdsim.debye.linear_part import CurveSettings
from qdsim.errors import QdsimError
from qdsim.structures import LatticeParticle, RhombohedralState, cut_rocksalt
from qdsim.workflows.documents import PatternSettings


@calcfunction
def compute_pattern(structure: orm.StructureData, settings: orm.Dict) -> orm.XyData:
    """Compute the pattern of a cluster as it is, or of a particle cut from a crystal: see `PatternSettings`."""
    wanted = PatternSettings(**settings.get_dict())
    atoms = structure.get_ase()
    particle: Atoms | LatticeParticle = atoms[atoms.get_tags() == 0]  # pseudo-hydrogens are no atoms to X-rays
    if atoms.pbc.all():
        cut = wanted.cut
        if cut is None:
            raise QdsimError("A crystal scatters as a particle that is cut from it: say which.")
        state = RhombohedralState.from_atoms(atoms, cut.cation)
        particle = cut_rocksalt(cut.cation, cut.anion, state, cut.shape, cut.diameter)
    return _pattern(particle, wanted, {"intensity": wanted.b_iso})


@calcfunction
def displacement_patterns(consistency: orm.Dict, phonons: orm.Dict, settings: orm.Dict) -> dict[str, orm.XyData]:
    """Compute what each sample's particle scatters with the fitted B and with that of the phonons.

    The particle is cut from the computed lattice that the sample is compared with, of the sample's size where that is
    stated. See :func:`qdsim.analysis.phonon_rows.compared_displacements` for which B; the outputs are labelled by the
    number of the sample, as in `sample_0`.
    """
    wanted = PatternSettings(**settings.get_dict())
    cut = wanted.cut
    if cut is None:
        raise QdsimError("A crystal scatters as a particle that is cut from it: say which.")
    analysis = PhononAnalysis(**phonons.get_dict())
    patterns = {}
    for index, sample in enumerate(Consistency(**consistency.get_dict()).samples):
        compared = compared_displacements(sample, (cut.cation, cut.anion), analysis)
        if compared is None or not sample.conditions:
            continue
        lattice = sample.conditions[0].lattice
        state = RhombohedralState(lattice.volume, lattice.alpha_rh, lattice.pb_offset)
        particle = cut_rocksalt(cut.cation, cut.anion, state, cut.shape, sample.diameter or cut.diameter)
        both = {"fitted": compared.fitted, "phonons": compared.computed}
        pattern = _pattern(particle, wanted, both)
        pattern.base.attributes.set("displacements", compared.model_dump(mode="json"))
        patterns[f"sample_{index}"] = pattern
    return patterns


def _pattern(particle: Atoms | LatticeParticle, settings: PatternSettings, parameters: dict[str, Any]) -> orm.XyData:
    """Return curves with displacement parameters of one name each."""
    elements = sorted(set(particle.symbols if isinstance(particle, Atoms) else particle.atom_symbols))
    q = np.linspace(settings.q_min, settings.q_max, settings.points)
    amplitudes: dict[str, Any] = {
        "energy_kev": settings.energy_kev,
        "form_factors": {
            name: FormFactorTable.model_validate(one) for name, one in settings.form_factors.items() if name in elements
        },
        "dispersion": settings.dispersion
        if isinstance(settings.dispersion, str)
        else {name: numbers for name, numbers in settings.dispersion.items() if name in elements},
    }
    curves = [intensity(particle, q, b_iso=b_iso, **amplitudes) for b_iso in parameters.values()]
    used = amplitude_sources(elements, CurveSettings(**amplitudes).scattering)
    pattern = orm.XyData()
    pattern.base.attributes.set("amplitudes", {name: one.model_dump(mode="json") for name, one in used.items()})
    pattern.set_x(q, "q", "1/angstrom")
    pattern.set_y(curves, list(parameters), ["electrons^2 per particle"] * len(curves))
    return pattern
