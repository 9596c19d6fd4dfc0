"""A whole campaign as one process: what a person asked for, and every result under it."""

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import failure_of
from qdsim.workflows.scattering import ScatteringWorkChain
from qdsim.workflows.strain import StrainWorkChain
from qdsim.workflows.submission import SubmitOnce

SECTIONS = {"strain": StrainWorkChain}
"""The parts a campaign can have; each runs on its own inputs and leaves the others usable when it fails."""


SCATTERING = "scattering"
"""What is checked by scattering when the strain series has its results."""


class CampaignWorkChain(SubmitOnce):
    """Run the sections of a campaign side by side, and check them by scattering."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.input("campaign", valid_type=orm.Dict, help="The campaign file and the settings made from it.")
        for name, section in SECTIONS.items():
            spec.expose_inputs(
                section, namespace=name, namespace_options={"required": False, "populate_defaults": False}
            )
            spec.expose_outputs(section, namespace=name, namespace_options={"required": False})
        spec.expose_inputs(
            ScatteringWorkChain,
            namespace=SCATTERING,
            exclude=("results", "structure", "structures"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_outputs(ScatteringWorkChain, namespace=SCATTERING, namespace_options={"required": False})
        spec.outline(cls.run_sections, cls.run_scattering, cls.finish)
        spec.exit_code(440, "ERROR_SECTIONS_FAILED", message="{reasons}")

    def _sections(self) -> list[str]:
        return [name for name in SECTIONS if name in self.inputs]

    def run_sections(self) -> None:
        """Submit every section that has inputs."""
        for name in self._sections():
            inputs = self.exposed_inputs(SECTIONS[name], name)
            inputs["metadata"] = {"call_link_label": name}
            self.to_context(**{name: self.submit(SECTIONS[name], **inputs)})

    def run_scattering(self) -> None:
        """Check the strain series by scattering, if it is asked for and there are results."""
        if SCATTERING not in self.inputs or "results" not in self.ctx.strain.outputs:
            return
        inputs = self.exposed_inputs(ScatteringWorkChain, SCATTERING)
        outputs = self.ctx.strain.outputs
        inputs["results"] = outputs.results
        inputs["structures"] = {
            f"{point}_{phase}": structure
            for point, phases in outputs.structures.items()
            for phase, structure in phases.items()
        }
        inputs["metadata"] = {"call_link_label": SCATTERING}
        self.to_context(scattering=self.submit(ScatteringWorkChain, **inputs))

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        failures = []
        if SCATTERING in self.ctx:
            process = self.ctx.scattering
            self.out_many(self.exposed_outputs(process, ScatteringWorkChain, SCATTERING))
            if not process.is_finished_ok:
                failures.append(f"{SCATTERING}: {failure_of(process)}")
        for name in self._sections():
            process = self.ctx[name]
            self.out_many(self.exposed_outputs(process, SECTIONS[name], name))
            if not process.is_finished_ok:
                failures.append(f"{name}: {failure_of(process)}")
        if failures:
            return self.exit_codes.ERROR_SECTIONS_FAILED.format(reasons=" ".join(failures))
        return None
