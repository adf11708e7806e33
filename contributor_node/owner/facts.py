"""What a home knows of its node without asking anybody: its id, its network, the name it gives to sites.

Rules: reads only; makes no key. Fields that are not known yet are empty.

Does not: talk to the coordinator. Usage: `who_is(settings).node_id`.
"""

from __future__ import annotations

from pathlib import Path

from contributor_node.egress.evidence import Who
from contributor_node.identity import KEY_FILE, load_or_make_key, read_pin
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.signing import public_id
from windrow_protocol.user_agent import user_agent


def who_is(settings: NodeSettings) -> Who:
    """Return what the node is known by. Raises WindrowError `bad_config` for a damaged key or pin."""
    home = Path(settings.home)
    pin = read_pin(home)
    return Who(
        node_id=public_id(load_or_make_key(home)) if (home / KEY_FILE).exists() else "",
        network=pin.network if pin else "",
        coordinator=pin.coordinator if pin else settings.coordinator,
        coordinator_id=pin.coordinator_id if pin else "",
        user_agent=user_agent(pin.publishers_url if pin else ""),
    )
