"""A whole campaign as one process: what a person asked for, and every result under it."""

from collections.abc import Callable, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import failure_of
from qdsim.workflows.dipole import DipoleWorkChain
from qdsim.workflows.phonon_documents import CrystalSettings, PhononSeriesSettings
from qdsim.workflows.phonon_series import PhononSeriesWorkChain
from qdsim.workflows.scattering import ScatteringWorkChain
from qdsim.workflows.strain import StrainWorkChain
from qdsim.workflows.submission import SubmitOnce
from qdsim.workflows.vacancy import VacancyWorkChain
from qdsim.workflows.vacancy_documents import HostSettings, VacancySettings

STRAIN, PHONON, VACANCY, DIPOLE, SCATTERING = "strain", "phonon", "vacancy", "dipole", "scattering"
SECTIONS = {
    STRAIN: StrainWorkChain,
    PHONON: PhononSeriesWorkChain,
    VACANCY: VacancyWorkChain,
    DIPOLE: DipoleWorkChain,
    SCATTERING: ScatteringWorkChain,
}
"""The parts a campaign can have; each leaves the others usable when it fails."""
FROM_OTHERS = {
    PHONON: ("strain",),
    SCATTERING: ("results", "structure", "structures", "vacancies", "dipoles", "phonons"),
}
"""Inputs of a section that other sections give."""

FROM_STRAIN: dict[str, Callable[[dict[str, Any]], Sequence[HostSettings | CrystalSettings]]] = {
    PHONON: lambda settings: PhononSeriesSettings(**settings).crystals,
    VACANCY: lambda settings: VacancySettings(**settings).hosts,
}
"""Sections whose crystals may be of the strain series, and how they are found in their settings."""


class CampaignWorkChain(SubmitOnce):
    """Run the sections of a campaign, each as soon as there is what it builds on."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.input("campaign", valid_type=orm.Dict, help="The campaign file and the settings made from it.")
        for name, section in SECTIONS.items():
            spec.expose_inputs(
                section,
                namespace=name,
                exclude=FROM_OTHERS.get(name, ()),
                namespace_options={"required": False, "populate_defaults": False},
            )
            spec.expose_outputs(section, namespace=name, namespace_options={"required": False})
        spec.outline(cls.run_first, cls.run_strained, cls.collect, cls.check_by_scattering, cls.finish)
        spec.exit_code(440, "ERROR_SECTIONS_FAILED", message="{reasons}")

    def run_first(self) -> None:
        """Submit what needs nothing of the others, and wait for the strain series alone."""
        self._submit(STRAIN)
        self._submit(DIPOLE)
        for name in FROM_STRAIN:
            if not self._strain_points(name):
                self._submit(name)
        self._wait(STRAIN)

    def run_strained(self) -> None:
        """Submit what is made of crystals of the strain series, as far as it has results."""
        for name in FROM_STRAIN:
            points = self._strain_points(name)
            if not points:
                continue
            outputs = self.ctx.strain.outputs
            structures = outputs.structures if "structures" in outputs else {}
            crystals = {
                label: structures[point][phase]
                for label, (point, phase) in points.items()
                if phase in structures.get(point, {})
            }
            given: dict[str, Any] = {"crystals": {**self.inputs[name].get("crystals", {}), **crystals}}
            if name == PHONON and "results" in outputs:
                given["strain"] = outputs.results
            self._submit(name, **given)

    def collect(self) -> None:
        """Wait for everything that the check can use."""
        for name in (PHONON, VACANCY, DIPOLE):
            self._wait(name)

    def check_by_scattering(self) -> None:
        """Submit the check of the strain series, with what there is of the other sections."""
        if SCATTERING in self.inputs and "results" in self.ctx.strain.outputs:
            outputs = self.ctx.strain.outputs
            computed = {"results": outputs.results}
            for name, analysis in ((VACANCY, "vacancies"), (DIPOLE, "dipoles"), (PHONON, "phonons")):
                if name in self.ctx and "analysis" in self.ctx[name].outputs:
                    computed[analysis] = self.ctx[name].outputs.analysis
            structures = {
                f"{point}_{phase}": structure
                for point, phases in outputs.structures.items()
                for phase, structure in phases.items()
            }
            self._submit(SCATTERING, **computed, structures=structures)
            self._wait(SCATTERING)

    def _submit(self, name: str, **computed: Any) -> None:
        if name in self.inputs:
            inputs = {**self.exposed_inputs(SECTIONS[name], name), **computed}
            inputs["metadata"] = {"call_link_label": name}
            self.ctx[name] = self.submit(SECTIONS[name], **inputs)

    def _wait(self, name: str) -> None:
        """Do not begin the next step before a section has ended."""
        if name in self.ctx:
            self.to_context(**{name: self.ctx[name]})

    def _strain_points(self, name: str) -> dict[str, tuple[str, str]]:
        """Return strain point and phase of each crystal of a section that is of this campaign's strain series."""
        if name not in self.inputs:
            return {}
        crystals = FROM_STRAIN[name](self.inputs[name].settings.get_dict())
        return {one.label: (one.point, one.phase) for one in crystals if one.point and one.phase}

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        failures = []
        for name, section in SECTIONS.items():
            if name not in self.ctx:
                continue
            process = self.ctx[name]
            self.out_many(self.exposed_outputs(process, section, name))
            if not process.is_finished_ok:
                failures.append(f"{name}: {failure_of(process)}")
        if failures:
            return self.exit_codes.ERROR_SECTIONS_FAILED.format(reasons=" ".join(failures))
        return None
