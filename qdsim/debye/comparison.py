"""Which of several models the data prefer."""

from collections.abc import Callable, Mapping
from math import exp

from pydantic import BaseModel, ConfigDict

from qdsim.debye.data import ScatteringData
from qdsim.debye.fit_result import FitResult
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.models import NanocrystalModel
from qdsim.errors import QdsimError

Progress = Callable[[int, int], None]

USUAL_SHELL = 6.0
"""Å, two layers: where the search for a shell's thickness begins in a model that has none."""
VACANT = 0.9
"""Occupancy at which the search for vacancies begins where all sites are occupied."""


class ComparedModel(BaseModel):
    """A model among others.

    Attributes
    ----------
    name
        Of the model.
    result
        Its fit.
    delta_aic, delta_bic
        Difference of the information criterion from the lowest one.
    weight
        Probability of the model among those compared, from the Bayesian information criterion.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    result: FitResult
    delta_aic: float
    delta_bic: float
    weight: float


class Comparison(BaseModel):
    """Models fitted to the same data, the preferred one (lowest Bayesian information criterion) first."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    models: list[ComparedModel]

    @property
    def preferred(self) -> ComparedModel:
        """The model that describes the data best for its number of parameters."""
        return self.models[0]


def compare(
    models: Mapping[str, tuple[NanocrystalModel, FitSettings]],
    data: ScatteringData,
    blank: ScatteringData | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Fit several models to the same data.

    Parameters
    ----------
    models
        Model and settings by name.
    data, blank
        As for `Fit`.
    progress
        Called with models fitted and models to be fitted.

    Raises
    ------
    QdsimError
        If there is nothing to compare, or a model cannot be fitted.
    """
    if not models:
        raise QdsimError("There is no model to compare: give at least one.")
    results = {}
    for done, (name, (model, settings)) in enumerate(models.items()):
        if progress is not None:
            progress(done, len(models))
        results[name] = Fit(model, data, settings, blank).run()
    lowest_aic = min(result.aic for result in results.values())
    lowest_bic = min(result.bic for result in results.values())
    total = sum(exp((lowest_bic - result.bic) / 2) for result in results.values())
    compared = [
        ComparedModel(
            name=name,
            result=result,
            delta_aic=result.aic - lowest_aic,
            delta_bic=result.bic - lowest_bic,
            weight=exp((lowest_bic - result.bic) / 2) / total,
        )
        for name, result in results.items()
    ]
    return Comparison(models=sorted(compared, key=lambda one: one.delta_bic))


def stoichiometry_models(
    model: NanocrystalModel, settings: FitSettings
) -> dict[str, tuple[NanocrystalModel, FitSettings]]:
    """Return the models of stoichiometry of Bertolotti et al., Nature Materials 15, 987 (2016), Fig. 6.

    Parameters
    ----------
    model
        Shape, size and lattice; its occupancies and shell are where the searches begin.
    settings
        What else is varied.

    Returns
    -------
    dict
        "stoichiometric" (all sites occupied), "S-deficient shell" (vacancies on the anion sites of a shell) and
        "core-shell" (vacancies on the cation sites of the core too), named after the model's own elements. The
        thickness of the shell is varied where the model has more than one size.
    """
    own = {name for name in settings.vary if name.startswith("occupancy_") or name == "shell_thickness"}
    others = {name: bounds for name, bounds in settings.vary.items() if name not in own}
    occupied = dict.fromkeys(
        [f"occupancy_{site}_{region}" for site in ("cation", "anion") for region in ("core", "shell")], 1.0
    )

    def begin(name: str, value: float) -> dict[str, float]:
        low, high = settings.vary.get(name) or (value, value)
        return {name: min(max(value, low), high)}

    thickness = begin("shell_thickness", model.shell_thickness or min(USUAL_SHELL, model.diameter / 4))
    shell_start = begin("occupancy_anion_shell", min(model.occupancy_anion_shell, VACANT))
    core_start = begin("occupancy_cation_core", min(model.occupancy_cation_core, VACANT))

    def varied(*names: str) -> FitSettings:
        if model.diameter_sd > 0 and len(names) > 0:  # in particles of one size a shell grows in jumps
            names = ("shell_thickness", *names)
        return settings.model_copy(update={"vary": others | {name: settings.vary.get(name) for name in names}})

    return {
        "stoichiometric": (model.with_values({**occupied, "shell_thickness": 0.0}), varied()),
        f"{model.anion}-deficient shell": (
            model.with_values({**occupied, **thickness, **shell_start}),
            varied("occupancy_anion_shell"),
        ),
        "core-shell": (
            model.with_values({**occupied, **thickness, **shell_start, **core_start}),
            varied("occupancy_anion_shell", "occupancy_cation_core"),
        ),
    }
