"""Models that are compared with one another: shapes, and vacancies in core and shell."""

from qdsim.debye.fitting import FitSettings
from qdsim.debye.models import NanocrystalModel
from qdsim.structures import SHAPES

Candidate = tuple[NanocrystalModel, FitSettings]

USUAL_SHELL = 6.0
"""Å, two layers: where the search for a shell's thickness begins in a model that has none."""
VACANT = 0.9
"""Occupancy at which the search for vacancies begins where all sites are occupied."""
STOICHIOMETRIC = "stoichiometric"
"""Name of the model without vacancies."""


def shape_models(model: NanocrystalModel) -> dict[str, NanocrystalModel]:
    """Return the model with its own shape and with every other one, by name.

    Parameters
    ----------
    model
        The diameter is that of the sphere of the same volume, so that it suits all shapes.
    """
    own = model.shape if isinstance(model.shape, str) else "own shape"
    others = {name: model.model_copy(update={"shape": name}) for name in SHAPES if name != own}
    return {own: model, **others}


def stoichiometry_models(model: NanocrystalModel, settings: FitSettings) -> dict[str, Candidate]:
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
        STOICHIOMETRIC: (model.with_values({**occupied, "shell_thickness": 0.0}), varied()),
        f"{model.anion}-deficient shell": (
            model.with_values({**occupied, **thickness, **shell_start}),
            varied("occupancy_anion_shell"),
        ),
        "core-shell": (
            model.with_values({**occupied, **thickness, **shell_start, **core_start}),
            varied("occupancy_anion_shell", "occupancy_cation_core"),
        ),
    }
