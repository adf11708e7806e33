"""Evaluates standing orders once: looks at the newest version of each dataset and buys what an order wants.

Rules: decided on the manifest that the coordinator signed, and bought by the very quote that was decided on, so that a
price raised in between is refused by what the chain lists. Every purchase is within the folder's one limit, which
agents over the same folder share, and stops at its switch. One order that fails holds up no other. What was paid and
not written down, because of a kill, is found on chain the next time and costs nothing more.

Does not: wait, or evaluate again (cron does).

Usage: `for outcome in evaluate(settings): print(outcome.result)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from marketplace.answers import Quote
from marketplace.client import MarketClient
from marketplace.terms import Terms
from storage.env import Env
from storage.real_env import real_env
from windrow.agent.market_tools import AgentSettings, MarketTools
from windrow.standing.order_file import Bought, OrderFile, Orders, Refused
from windrow.standing.orders import BUY, Decision, Held, StandingOrder, decide
from windrow_protocol.amounts import units_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import Manifest

BOUGHT: Final = "bought"
FAILED: Final = "failed"
# After these no further order can be better off in this run.
_ENDS_THE_RUN: Final = frozenset({"agent_stopped", "bad_config"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one order: `bought`, `failed` with a reason code, or a decision's result not to buy."""

    number: int
    dataset: str
    result: str
    detail: str
    reason: str = ""


def evaluate(settings: AgentSettings, env: Env | None = None) -> Iterator[Outcome]:
    """Yield what came of each order, by number.

    Raises WindrowError `agent_stopped` when the owner stopped all buying, `order_file_busy` while another evaluation is
    under way, `bad_config` when the file of orders cannot be read.
    """
    env = env or real_env()
    with OrderFile(settings.folder, env.disk).alone() as file:
        run = _Run(settings, file, env)
        for number, order in sorted(run.orders.standing.items()):
            yield run.outcome(number, order)


class _Run:
    """One evaluation of a file that nobody else works on."""

    def __init__(self, settings: AgentSettings, file: OrderFile, env: Env) -> None:
        self._file = file
        self._env = env
        self._tools = MarketTools(settings)
        self._client = MarketClient(settings.coordinator, coordinator_id=settings.coordinator_id or None)
        self.orders: Orders = file.orders()

    def outcome(self, number: int, order: StandingOrder) -> Outcome:
        self._tools.require_open()
        try:
            quote = self._client.quote(order.dataset)
            manifest = self._client.manifest(quote)
            decision = self._decision(number, order, quote, manifest)
            if decision.result != BUY:
                return Outcome(number, order.dataset, decision.result, decision.detail)
            return self._buy(number, order, quote, manifest)
        except WindrowError as error:
            if error.code in _ENDS_THE_RUN:
                raise
            return Outcome(number, order.dataset, FAILED, str(error), error.code)

    def _decision(self, number: int, order: StandingOrder, quote: Quote, manifest: Manifest) -> Decision:
        held = self.orders.held.get(number) or self._had(order)
        price = None if quote.not_sold_for(order.asset) else quote.price_in(order.asset)
        return decide(order, manifest, price, held, self.orders.refused.get(number, set()))

    def _had(self, order: StandingOrder) -> Held | None:
        """Return the version that the buyer says to have, as its own manifest counts it."""
        if not order.have:
            return None
        manifest = self._client.manifest(self._client.quote(order.dataset, order.have))
        return Held(manifest.version, manifest.rows, manifest.languages)

    def _buy(self, number: int, order: StandingOrder, quote: Quote, manifest: Manifest) -> Outcome:
        terms = order.terms if order.terms != Terms() else None
        try:
            receipt = self._tools.purchase(quote, order.price_max, terms, order.asset)
        except WindrowError as error:
            if error.code == "terms_not_met":
                said = error.detail[:500]
                self._file.append(Refused(number, quote.export_id, said, self._env.clock.now_ms()))
            raise
        bought = Bought(
            number=number,
            version=quote.version,
            export_id=quote.export_id,
            rows=manifest.rows,
            languages=manifest.languages,
            paid_wei=str(receipt["paid_units"]),
            asset=str(receipt["asset"]),
            tx=str(receipt["tx"]),
            at_ms=self._env.clock.now_ms(),
        )
        self._file.append(bought)
        paid = units_text(int(bought.paid_wei), bought.asset)
        told = f"{quote.version} for {paid} in {bought.tx}, in {receipt['folder']}"
        return Outcome(number, order.dataset, BOUGHT, told)
