"""From relaxed lattices to scattering: patterns, fits of measured ones, and the check of one by the other."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.consistency import check_consistency
from qdsim.analysis.consistency_results import CheckSettings, Condition
from qdsim.analysis.dipole_analysis import DipoleAnalysis
from qdsim.analysis.phonon_analysis import PhononAnalysis
from qdsim.analysis.vacancy_analysis import VacancyAnalysis
from qdsim.debye.hypotheses import DFT, FREE, UNDISTORTED
from qdsim.errors import QdsimError
from qdsim.workflows.cp2k import failure_of
from qdsim.workflows.documents import MeasuredPattern
from qdsim.workflows.fit import UNUSABLE, FitCalculation, fit_pattern, takes_long
from qdsim.workflows.fitted_samples import check_pattern, fitted_sample, stated_sample, with_fitted
from qdsim.workflows.hypotheses import (
    LABELS,
    computed_of,
    fit_results,
    fits_of,
    free_fit,
    free_fit_again,
    imposed_fits,
    map_distortion,
)
from qdsim.workflows.patterns import compute_pattern, displacement_patterns
from qdsim.workflows.submission import SubmitOnce

FREE_AGAIN = "free_again"
"""Of a free fit that began where an imposed one was lower."""


@calcfunction
def check(settings: orm.Dict, **given: Any) -> orm.Dict | ExitCode:
    """Wrap :func:`qdsim.analysis.consistency.check_consistency`.

    Given are `results` of a strain series or one `structure`, `fits`, `vacancies`, `dipoles`, `phonons` if there are,
    and of each measured pattern, under its label: `measured`, `condition`, and `result` and `curves` of every
    hypothesis by its own label.
    """
    wanted = CheckSettings(**settings.get_dict())
    fits, samples, patterns = fits_of(given), [], {}
    for label in sorted(key.removesuffix("__measured") for key in given if key.endswith("__measured")):
        pattern = MeasuredPattern(**given[f"{label}__measured"].get_dict())
        condition = Condition(**given[f"{label}__condition"].get_dict())
        results = fit_results({key.removeprefix(f"{label}__"): node for key, node in given.items()})
        stated = stated_sample(fits, pattern.sample)
        samples.append(fitted_sample(pattern.sample, pattern.file, results[FREE], stated))
        patterns[pattern.sample] = check_pattern(pattern.file, condition, results)
    vacancies = VacancyAnalysis(**given["vacancies"].get_dict()).series if "vacancies" in given else None
    dipoles = DipoleAnalysis(**given["dipoles"].get_dict()) if "dipoles" in given else None
    phonons = PhononAnalysis(**given["phonons"].get_dict()) if "phonons" in given else None
    try:
        joined = with_fitted(fits, wanted.compound, samples)
        consistency = check_consistency(computed_of(given), joined, wanted, patterns, vacancies, dipoles, phonons)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return orm.Dict(consistency.model_dump(mode="json"))


class ScatteringWorkChain(SubmitOnce):
    """Compute the scattering of relaxed structures, fit measured patterns, and check what was computed by the fits.

    A pattern whose data cannot be used leaves the others, and is named in the exit code.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:
        """Declare inputs, outputs, outline and exit codes."""
        super().define(spec)
        spec.input("settings", valid_type=orm.Dict, help="See `qdsim.analysis.consistency_results.CheckSettings`.")
        spec.input("results", valid_type=orm.Dict, required=False, help="See `StrainResults`.")
        spec.input("structure", valid_type=orm.StructureData, required=False, help="One crystal, in place of a series.")
        spec.input("fits", valid_type=orm.Dict, required=False, help="See `ScatteringFits`.")
        spec.input(
            "vacancies", valid_type=orm.Dict, required=False, help="To compare occupancies with; see `VacancyAnalysis`."
        )
        spec.input(
            "dipoles", valid_type=orm.Dict, required=False, help="To compare dipoles with; see `DipoleAnalysis`."
        )
        spec.input("phonons", valid_type=orm.Dict, required=False, help="To compare B with; see `PhononAnalysis`.")
        spec.input_namespace("data", dynamic=True, required=False, help="Measured patterns by label.")
        spec.input("code", valid_type=orm.Code, required=False, help="The `qdsim` command, for fits that take long.")
        spec.input(
            "pattern_settings",
            valid_type=orm.Dict,
            required=False,
            help="See `qdsim.workflows.documents.PatternSettings`.",
        )
        spec.input_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="Whose patterns are computed, by label."
        )
        spec.output("consistency", valid_type=orm.Dict, required=False, help="See `Consistency`.")
        spec.output_namespace("patterns", valid_type=orm.XyData, dynamic=True, help="Of the structures.")
        spec.output_namespace(
            "displacement_patterns",
            valid_type=orm.XyData,
            dynamic=True,
            help="Of samples with the fitted B and with that of the phonons, by number; see `displacement_patterns`.",
        )
        spec.output_namespace("fits", dynamic=True, help="`result`, `curves` by label and hypothesis; `map`.")
        spec.outline(
            cls.compute_patterns,
            cls.fit_freely,
            cls.impose,
            cls.fit_imposed,
            cls.fit_freely_again,
            cls.map_distortions,
            cls.check_all,
        )
        spec.exit_code(450, "ERROR_CHECK_FAILED", message="{reason}")
        spec.exit_code(451, "ERROR_DATA_FAILED", message="{reasons}")

    def compute_patterns(self) -> None:
        """Compute the scattering of every structure."""
        self.ctx.failures = []
        for label, structure in self.inputs.get("structures", {}).items():
            inputs = {"structure": structure, "settings": self.inputs.pattern_settings}
            process = self.run_once(compute_pattern, f"pattern_{label}", **inputs)
            if self._succeeded(label, process):
                self.out(f"patterns.{label}", process.outputs.result)

    def fit_freely(self) -> None:
        """Fit every measured pattern with the distortion free."""
        for label, given in self._data().items():
            made = self.run_once(free_fit, f"{label}_free_model", measured=given["measured"])
            self._start_fit(label, LABELS[FREE], made.outputs.result)

    def impose(self) -> None:
        """Make the models with the computed distortion and without any."""
        self.ctx.models = {}
        for label, given in self._data().items():
            free = self.ctx[f"{label}_{LABELS[FREE]}"]
            if not self._succeeded(label, free):
                continue
            inputs = {"measured": given["measured"], "settings": self.inputs.settings, **self._computed()}
            made = self.run_once(imposed_fits, f"{label}_imposed_models", **inputs, **_result_and_curves(free))
            if self._succeeded(label, made):
                self.ctx.models[label] = {name: made.outputs[name] for name in made.outputs}

    def fit_imposed(self) -> None:
        """Fit these models, side by side where they run as jobs."""
        for label, models in self.ctx.models.items():
            for name, fit in models.items():
                if name != "condition":
                    self._start_fit(label, name, fit)

    def fit_freely_again(self) -> None:
        """Fit once more, from there, where an imposed model has led to a lower minimum than the free one."""
        for label in self.ctx.models:
            measured = self._data()[label]["measured"]
            made = self.run_once(free_fit_again, f"{label}_free_model_again", measured=measured, **self._fitted(label))
            if "fit" in made.outputs:
                self._start_fit(label, FREE_AGAIN, made.outputs.fit)

    def map_distortions(self) -> None:
        """Follow chi^2 over the distortion."""
        for label, models in self.ctx.models.items():
            fitted = self._fitted(label)
            inputs = {**self._data()[label], "condition": models["condition"]}
            process = self.run_once(map_distortion, f"{label}_map", result=fitted[f"{LABELS[FREE]}__result"], **inputs)
            if self._succeeded(label, process):
                self.out(f"fits.{label}.map", process.outputs.result)

    def check_all(self) -> ExitCode | None:
        """Judge by everything that was fitted, and say what could not be used."""
        given = self._computed()
        for label, models in self.ctx.models.items():
            for name in models:
                if name != "condition":
                    self._succeeded(label, self.ctx[f"{label}_{name}"])
            fitted = self._fitted(label)
            if f"{LABELS[DFT]}__result" not in fitted or f"{LABELS[UNDISTORTED]}__result" not in fitted:
                continue
            given |= {f"{label}__measured": self._data()[label]["measured"], f"{label}__condition": models["condition"]}
            given |= {f"{label}__{name}": node for name, node in fitted.items()}
            for name, node in fitted.items():
                self.out(f"fits.{label}.{name.replace('__', '.')}", node)
        if "fits" in given or any(key.endswith("__measured") for key in given):
            given |= {name: self.inputs[name] for name in ("vacancies", "dipoles", "phonons") if name in self.inputs}
            process = self.run_once(check, "check", settings=self.inputs.settings, **given)
            if not process.is_finished_ok:
                return self.exit_codes.ERROR_CHECK_FAILED.format(reason=process.exit_message)
            self.out("consistency", process.outputs.result)
            if "phonons" in given and "pattern_settings" in self.inputs:
                inputs = {"phonons": given["phonons"], "settings": self.inputs.pattern_settings}
                made = self.run_once(
                    displacement_patterns, "displacement_patterns", consistency=process.outputs.result, **inputs
                )
                self.out("displacement_patterns", {label: made.outputs[label] for label in made.outputs})
        if self.ctx.failures:
            return self.exit_codes.ERROR_DATA_FAILED.format(reasons=" ".join(self.ctx.failures))
        return None

    def _data(self) -> dict[str, dict[str, Any]]:
        """Return `measured`, `pattern` and perhaps `blank` by label."""
        return {label: dict(given) for label, given in self.inputs.get("data", {}).items()}

    def _computed(self) -> dict[str, orm.Data]:
        return {name: self.inputs[name] for name in ("results", "structure", "fits") if name in self.inputs}

    def _start_fit(self, label: str, name: str, fit: orm.Dict) -> None:
        """Run a fit here, or submit it where it takes long."""
        link = f"{label}_{name}"
        files = {key: node for key, node in self._data()[label].items() if key != "measured"}
        if "code" in self.inputs and takes_long(fit.get_dict()):
            inputs = {"code": self.inputs.code, "fit": fit, **files, "metadata": {"call_link_label": link}}
            self.to_context(**{link: self.submit(FitCalculation, **inputs)})
        else:
            self.ctx[link] = self.run_once(fit_pattern, link, fit=fit, **files)

    def _fitted(self, label: str) -> dict[str, orm.Data]:
        """Return results and curves of the fits that succeeded, the lower free one as the free one."""
        fitted: dict[str, orm.Data] = {}
        for name in (*LABELS.values(), FREE_AGAIN):
            process = self.ctx.get(f"{label}_{name}")
            if process is not None and process.is_finished_ok:
                stands_for = LABELS[FREE] if name == FREE_AGAIN else name
                fitted |= {f"{stands_for}__{output}": node for output, node in _result_and_curves(process).items()}
        return fitted

    def _succeeded(self, label: str, process: orm.ProcessNode) -> bool:
        """Tell whether a process succeeded, and note it where it did not."""
        if not process.is_finished_ok:
            data = self._data().get(label)
            name = data["measured"]["sample"] if data else label
            self.ctx.failures = [*self.ctx.failures, f"{name}: {failure_of(process)}"]
        return bool(process.is_finished_ok)


def _result_and_curves(process: orm.ProcessNode) -> dict[str, orm.Data]:
    return {name: process.outputs[name] for name in ("result", "curves")}
