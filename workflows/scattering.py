"""From relaxed lattices to scattering: patterns, fits of measured ones, and the check of one by the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from qdsim.analysis.consistency import Computed, check_consistency, sample_conditions
from qdsim.analysis.consistency_results import CheckSettings, Condition
from qdsim.analysis.scattering_fit import ScatteringFits
from qdsim.analysis.strain_results import StrainResults
from qdsim.debye.fit_file import FitFile
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.hypotheses import (
    DFT,
    FREE,
    PROBES,
    UNDISTORTED,
    free_hypothesis,
    imposed_hypotheses,
    restarted,
)
from qdsim.debye.intensity import intensity
from qdsim.debye.models import NanocrystalModel
from qdsim.debye.plausibility import check_resemblance
from qdsim.debye.scans import ScanAxis, chi2_map
from qdsim.errors import QdsimError
from qdsim.structures import RhombohedralState, cut_rocksalt, measure_distortion
from qdsim.workflows.cp2k import failure_of
from qdsim.workflows.documents import MeasuredPattern, PatternSettings
from qdsim.workflows.fit import UNUSABLE, FitCalculation, fit_pattern, opened_fit, read_result, takes_long
from qdsim.workflows.fitted_samples import check_pattern, fitted_sample, stated_sample, with_fitted
from qdsim.workflows.submission import SubmitOnce

MAP_POINTS = (21, 16)
"""Angles and offsets of a map of chi^2."""
MAP_MARGINS = (0.3, 0.05)
"""Degrees and Å that a map reaches beyond what is marked on it."""
LEAST_OFFSET = 0.1
"""Å; a map reaches at least so far."""
LABELS = {FREE: "free", DFT: "dft", UNDISTORTED: "undistorted", **{name: f"probe_{i}" for i, name in enumerate(PROBES)}}
"""Identifiers of the hypotheses, for links and outputs."""
FREE_AGAIN = "free_again"
"""Of a free fit that began where an imposed one was lower."""


@calcfunction
def compute_pattern(structure: orm.StructureData, settings: orm.Dict) -> orm.XyData:
    """Compute the pattern of a cluster as it is, or of a particle cut from a crystal: see `PatternSettings`."""
    wanted = PatternSettings(**settings.get_dict())
    atoms = structure.get_ase()
    q = np.linspace(wanted.q_min, wanted.q_max, wanted.points)
    particle: Any = atoms
    if atoms.pbc.all():
        state = RhombohedralState.from_atoms(atoms, wanted.cation)
        particle = cut_rocksalt(wanted.cation, wanted.anion, state, wanted.shape, wanted.diameter)
    pattern = orm.XyData()
    pattern.set_x(q, "q", "1/angstrom")
    scattered = intensity(particle, q, b_iso=wanted.b_iso, energy_kev=wanted.energy_kev)
    pattern.set_y(scattered, "intensity", "electrons^2 per particle")
    return pattern


@calcfunction
def free_fit(measured: orm.Dict) -> orm.Dict:
    """Make the fit of a measured pattern in which the distortion is free."""
    fit = FitFile.model_validate(MeasuredPattern(**measured.get_dict()).fit)
    return _fit_node(fit, *free_hypothesis(fit.model, fit.settings()))


@calcfunction
def imposed_fits(
    measured: orm.Dict, result: orm.Dict, curves: orm.ArrayData, settings: orm.Dict, **given: Any
) -> dict[str, orm.Dict] | ExitCode:
    """Make the fits with the computed distortion, without any, and with others that the data should tell from it.

    Given are what `check` is given. The distortion is taken at the volume of the free fit, whose result this is.
    """
    pattern = MeasuredPattern(**measured.get_dict())
    wanted = CheckSettings(**settings.get_dict())
    free, fits = read_result(result, curves), _fits(given)
    sample = fitted_sample(pattern.sample, pattern.file, free, stated_sample(fits, pattern.sample))
    try:
        check_resemblance(free, pattern.file)
        joined = with_fitted(fits, wanted.compound, [sample])
        conditions = sample_conditions(sample, _computed(given), joined, wanted)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    if not conditions:
        return ExitCode(
            UNUSABLE, f"The fit of {pattern.file} does not determine the lattice constant: widen its bounds."
        )
    condition = conditions[0]
    fit = FitFile.model_validate(pattern.fit)
    lattice = condition.lattice
    hypotheses = imposed_hypotheses(free.model, fit.settings(), lattice.alpha_rh, lattice.pb_offset)
    nodes = {LABELS[name]: _fit_node(fit, *hypothesis) for name, hypothesis in hypotheses.items()}
    return {**nodes, "condition": orm.Dict(condition.model_dump(mode="json"))}


@calcfunction
def free_fit_again(measured: orm.Dict, **fitted: Any) -> dict[str, orm.Dict]:
    """Make a free fit that begins at an imposed one, where that is lower; `fitted` are as in `check`."""
    fit = FitFile.model_validate(MeasuredPattern(**measured.get_dict()).fit)
    lower = restarted(_results(fitted), fit.settings())
    return {} if lower is None else {"fit": _fit_node(fit, *lower)}


@calcfunction
def map_distortion(
    measured: orm.Dict,
    result: orm.Dict,
    condition: orm.Dict,
    pattern: orm.SinglefileData,
    blank: orm.SinglefileData | None = None,
) -> orm.Dict | ExitCode:
    """Follow chi^2 over angle and offset around a fit and the computed distortion, the other parameters held."""
    lattice = Condition(**condition.get_dict()).lattice
    model = NanocrystalModel.model_validate(result["model"])
    angles = (model.alpha_rh, lattice.alpha_rh, 60.0)
    offsets = (model.pb_offset, lattice.pb_offset, LEAST_OFFSET)
    x = np.linspace(min(angles) - MAP_MARGINS[0], max(angles) + MAP_MARGINS[0], MAP_POINTS[0])
    y = np.linspace(0.0, max(offsets) + MAP_MARGINS[1], MAP_POINTS[1])
    try:
        with opened_fit(MeasuredPattern(**measured.get_dict()).fit, pattern, blank) as (
            fit,
            data,
            blank_data,
        ):
            held = fit.settings(data.wavelength).model_copy(update={"vary": {}})
            axes = ScanAxis("alpha_rh", tuple(x.tolist())), ScanAxis("pb_offset", tuple(y.tolist()))
            return orm.Dict(chi2_map(Fit(model, data, held, blank_data), *axes).model_dump(mode="json"))
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))


@calcfunction
def check(settings: orm.Dict, **given: Any) -> orm.Dict | ExitCode:
    """Wrap :func:`qdsim.analysis.consistency.check_consistency`.

    Given are `results` of a strain series or one `structure`, `fits` where there are any, and of each measured pattern,
    under its label: `measured`, `condition`, and `result` and `curves` of every hypothesis by its own label.
    """
    wanted = CheckSettings(**settings.get_dict())
    fits, samples, patterns = _fits(given), [], {}
    for label in sorted(key.removesuffix("__measured") for key in given if key.endswith("__measured")):
        pattern = MeasuredPattern(**given[f"{label}__measured"].get_dict())
        condition = Condition(**given[f"{label}__condition"].get_dict())
        results = _results({key.removeprefix(f"{label}__"): node for key, node in given.items()})
        stated = stated_sample(fits, pattern.sample)
        samples.append(fitted_sample(pattern.sample, pattern.file, results[FREE], stated))
        patterns[pattern.sample] = check_pattern(pattern.file, condition, results)
    try:
        joined = with_fitted(fits, wanted.compound, samples)
        consistency = check_consistency(_computed(given), joined, wanted, patterns)
    except QdsimError as error:
        return ExitCode(UNUSABLE, str(error))
    return orm.Dict(consistency.model_dump(mode="json"))


def _results(fitted: Mapping[str, Any]) -> dict[str, FitResult]:
    """Return the fits by hypothesis, from nodes `result` and `curves` under the labels of the hypotheses."""
    return {
        name: read_result(fitted[f"{label}__result"], fitted[f"{label}__curves"])
        for name, label in LABELS.items()
        if f"{label}__result" in fitted
    }


def _computed(given: Mapping[str, Any]) -> Computed:
    if "results" in given:
        return StrainResults(**given["results"].get_dict())
    return measure_distortion(given["structure"].get_ase())


def _fits(given: Mapping[str, Any]) -> ScatteringFits | None:
    return ScatteringFits(**given["fits"].get_dict()) if "fits" in given else None


def _fit_node(fit: FitFile, model: NanocrystalModel, settings: FitSettings) -> orm.Dict:
    """Return the node of a fit file with another model and what else is varied of it."""
    changed = fit.model_copy(update={"model": model, "vary": settings.vary})
    return orm.Dict(changed.model_dump(mode="json", exclude_none=True, exclude={"origin"}))


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
        spec.input_namespace("data", dynamic=True, required=False, help="Measured patterns by label.")
        spec.input("code", valid_type=orm.Code, required=False, help="The `qdsim` command, for fits that take long.")
        spec.input("pattern_settings", valid_type=orm.Dict, required=False, help="See `PatternSettings`.")
        spec.input_namespace(
            "structures", valid_type=orm.StructureData, dynamic=True, help="Whose patterns are computed, by label."
        )
        spec.output("consistency", valid_type=orm.Dict, required=False, help="See `Consistency`.")
        spec.output_namespace("patterns", valid_type=orm.XyData, dynamic=True, help="Of the structures.")
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
            process = self.run_once(check, "check", settings=self.inputs.settings, **given)
            if not process.is_finished_ok:
                return self.exit_codes.ERROR_CHECK_FAILED.format(reason=process.exit_message)
            self.out("consistency", process.outputs.result)
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
