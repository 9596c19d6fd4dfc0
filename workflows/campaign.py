"""A whole campaign as one process: what a person asked for, and every result under it."""

from aiida import orm
from aiida.engine import ExitCode
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.workflows.cp2k import failure_of
from qdsim.workflows.strain import StrainWorkChain
from qdsim.workflows.submission import SubmitOnce

SECTIONS = {"strain": StrainWorkChain}
"""The parts a campaign can have; each runs on its own inputs and leaves the others usable when it fails."""


class CampaignWorkChain(SubmitOnce):
    """Run the sections of a campaign side by side."""

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
        spec.outline(cls.run_sections, cls.finish)
        spec.exit_code(440, "ERROR_SECTIONS_FAILED", message="{reasons}")

    def _sections(self) -> list[str]:
        return [name for name in SECTIONS if name in self.inputs]

    def run_sections(self) -> None:
        """Submit every section that has inputs."""
        for name in self._sections():
            inputs = self.exposed_inputs(SECTIONS[name], name)
            inputs["metadata"] = {"call_link_label": name}
            self.to_context(**{name: self.submit(SECTIONS[name], **inputs)})

    def finish(self) -> ExitCode | None:
        """Hand out what there is, and say what failed."""
        failures = []
        for name in self._sections():
            process = self.ctx[name]
            self.out_many(self.exposed_outputs(process, SECTIONS[name], name))
            if not process.is_finished_ok:
                failures.append(f"{name}: {failure_of(process)}")
        if failures:
            return self.exit_codes.ERROR_SECTIONS_FAILED.format(reasons=" ".join(failures))
        return None
