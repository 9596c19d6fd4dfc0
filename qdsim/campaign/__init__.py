"""Campaigns: a YAML file, the plan made from it, and the launching and watching of that plan.

>>> from qdsim.campaign import run_campaign
>>> run = run_campaign("examples/quickstart.yaml", profile="qdsim")  # doctest: +SKIP
>>> run.table[["lattice_constant", "alpha_rh", "pb_offset"]]  # doctest: +SKIP
"""

from qdsim.campaign.load import load_campaign
from qdsim.campaign.plan import Plan, plan_campaign
from qdsim.campaign.run import CampaignRun, run_campaign
from qdsim.campaign.schema import Campaign
from qdsim.campaign.tables import dipole_table, formation_energy_table, phonon_table, strain_table, with_units

__all__ = [
    "Campaign",
    "CampaignRun",
    "Plan",
    "dipole_table",
    "formation_energy_table",
    "load_campaign",
    "phonon_table",
    "plan_campaign",
    "run_campaign",
    "strain_table",
    "with_units",
]
