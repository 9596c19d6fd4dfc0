"""Hand a plan to AiiDA, once: the same campaign is found again, and continued from what it has finished."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from qdsim.campaign.codes import check_installation, load_code
from qdsim.campaign.memory import check_memory
from qdsim.campaign.plan import Plan
from qdsim.campaign.resources import options
from qdsim.campaign.tasks import GIGABYTE
from qdsim.errors import QdsimError
from qdsim.provenance.campaigns import FINGERPRINT
from qdsim.provenance.choice import files_of, remember_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiida.orm import Code, WorkChainNode


def launch(plan: Plan, files: Sequence[Path] = ()) -> tuple[WorkChainNode, bool]:
    """Submit a campaign, unless the same one is running or has succeeded already.

    A campaign that failed is submitted anew: AiiDA's cache gives back every calculation that had finished. One that is
    running is told how many of its calculations may be in the queue by now.

    Parameters
    ----------
    plan
        Of the campaign.
    files
        That the campaign is run from, whole paths: campaigns of one name are told apart by them.

    Returns
    -------
    tuple
        The campaign's process, and whether it was submitted now.

    Raises
    ------
    QdsimError
        If the code does not exist, the daemon cannot be reached, or the calculations do not fit into this machine.
    """
    from aiida.engine import submit

    from qdsim.machine.daemon import exclusively, mend_daemon
    from qdsim.workflows.campaign import CampaignWorkChain
    from qdsim.workflows.queue import AT_ONCE

    code = load_code(plan.campaign.code)
    check_installation(code)
    with exclusively():
        _abandon_half_submitted(plan)
        earlier = find_same(plan)
        if earlier is not None:
            earlier.base.extras.set(AT_ONCE, plan.campaign.resources.at_once)
            remember_files(earlier, files)
            if not earlier.is_terminated:
                mend_daemon()
            return earlier, False
        _check_memory(plan, code)
        mend_daemon()
        inputs = {
            "campaign": _document(plan),
            **_section_inputs(plan, code),
            "metadata": {"label": plan.campaign.name},
        }
        node = cast("WorkChainNode", submit(CampaignWorkChain, **inputs))
        node.base.extras.set(AT_ONCE, plan.campaign.resources.at_once)
        remember_files(node, files)
    return node, True


def launch_again(campaign: WorkChainNode) -> WorkChainNode:
    """Submit a campaign that did not succeed anew, by the document of it in the provenance graph.

    The cache gives back every calculation that had finished; outputs that could not be read are read again.

    Raises
    ------
    QdsimError
        If it has become another campaign since, because a file or a protocol that it names has changed, or for the
        reasons of `launch`.
    """
    from qdsim.campaign.plan import plan_campaign
    from qdsim.campaign.schema import Campaign

    document = campaign.inputs.campaign.get_dict()
    plan = plan_campaign(Campaign.model_validate(document["campaign"]))
    if plan.fingerprint != document[FINGERPRINT]:
        raise QdsimError(
            f"Campaign '{campaign.label}' would not be the same again: its protocol, or a file that it names, has "
            "changed; 'qdsim run' with its file submits it as it is now."
        )
    node, _ = launch(plan, files_of(campaign))
    return node


def find_same(plan: Plan) -> WorkChainNode | None:
    """Return the process of the same campaign that is running or has succeeded, if there is one."""
    from qdsim.provenance import campaigns

    for node in campaigns(plan.fingerprint):
        if node.is_finished_ok or not node.is_terminated:
            return node
    return None


def _abandon_half_submitted(plan: Plan) -> None:
    """End what a client left behind that was killed while it submitted; the lock tells that it is not at it still."""
    from qdsim.provenance import campaigns
    from qdsim.workflows.submission import abandon

    for node in campaigns(plan.fingerprint):
        if not node.is_terminated and node.checkpoint is None:
            abandon(node)


def _check_memory(plan: Plan, code: Code) -> None:
    """Refuse what does not fit into the memory of this machine, where it is the one that computes."""
    import psutil

    from qdsim.machine.computers import LOCALHOST
    from qdsim.machine.setup import read_layout

    layout = read_layout()
    if layout is not None and code.computer is not None and code.computer.label == LOCALHOST:
        check_memory(plan.tasks, layout.slots, psutil.virtual_memory().total / GIGABYTE)


def _document(plan: Plan) -> Any:
    from aiida import orm

    campaign = plan.campaign.model_dump(mode="json", exclude_none=True)
    settings = {name: one.model_dump(mode="json", exclude_none=True) for name, one in plan.settings.items()}
    files = {str(path): sha256(path.read_bytes()).hexdigest() for path in plan.files}
    return orm.Dict({"campaign": campaign, **settings, "files": files, FINGERPRINT: plan.fingerprint})


def _section_inputs(plan: Plan, code: Code) -> dict[str, Any]:
    common, sizes = options(plan.campaign.resources, code)
    shared = {"sizes": sizes} if sizes else {}
    inputs: dict[str, Any] = {}
    if plan.strain is not None:
        inputs["strain"] = plan.strain.inputs(code, common) | shared
    if plan.phonon is not None:
        inputs["phonon"] = plan.phonon.inputs(code, common) | shared
    if plan.vacancy is not None:
        inputs["vacancy"] = plan.vacancy.inputs(code, common) | shared
    if plan.dipole is not None:
        inputs["dipole"] = plan.dipole.inputs(code, common) | shared
    if plan.scattering is not None:
        inputs["scattering"] = plan.scattering.inputs()
    return inputs
