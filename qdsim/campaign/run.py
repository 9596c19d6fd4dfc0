"""Run a campaign from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qdsim.analysis.consistency_results import Consistency
from qdsim.analysis.ferroelectric import StrainResults
from qdsim.campaign.follow import follow
from qdsim.campaign.launch import launch
from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import Plan, plan_campaign
from qdsim.campaign.resources import on_its_computer
from qdsim.campaign.schema import Campaign
from qdsim.campaign.tables import strain_table

if TYPE_CHECKING:
    import pandas as pd
    from aiida.orm import WorkChainNode


@dataclass(frozen=True)
class CampaignRun:
    """A campaign that has been launched."""

    plan: Plan
    node: WorkChainNode

    def wait(self) -> None:
        """Return when the campaign has finished."""
        for _ in follow(self.node):
            pass

    @property
    def results(self) -> StrainResults | None:
        """The results of the strain series, or None while there are none."""
        from qdsim.provenance import strain_results

        return strain_results(self.node)

    @property
    def consistency(self) -> Consistency | None:
        """The verdicts of the check by scattering, or None while there are none, or none were asked for."""
        from qdsim.provenance import consistency, section

        check = section(self.node, "scattering")
        return None if check is None else consistency(check)

    @property
    def table(self) -> pd.DataFrame:
        """The results as one row a strain: see :func:`qdsim.campaign.strain_table`.

        Raises
        ------
        ValueError
            While there are no results.
        """
        results = self.results
        if results is None:
            raise ValueError(f"campaign '{self.plan.campaign.name}' has no results yet")
        return strain_table(results)


def run_campaign(campaign: Campaign | str | Path, profile: str | None = None, wait: bool = True) -> CampaignRun:
    """Launch a campaign, or find the same one again.

    Parameters
    ----------
    campaign
        A campaign or the path of a campaign file.
    profile
        AiiDA profile; the one already loaded where not given.
    wait
        Return only when the campaign has finished; the work goes on also without.

    Raises
    ------
    qdsim.errors.QdsimError
        If the campaign cannot be used.
    """
    if profile is not None:
        from qdsim.machine.profile import open_profile

        open_profile(profile)
    files: list[Path] = []
    if not isinstance(campaign, Campaign):
        files = [Path(campaign).resolve()]
        campaign = load_campaign(campaign)
    plan = plan_campaign(on_its_computer(campaign))
    node, _ = launch(plan, files)
    run = CampaignRun(plan, node)
    if wait:
        run.wait()
    return run
