"""A connection to an EVM node's JSON-RPC that waits out a restart and says clearly what is wrong.

Rules: a request that gets no answer is sent again until `patience_s` is over, or the process is `ending`, which waits
for no answer under way either: a node that takes a request and says nothing would hold it for half a minute. That is
safe for everything Windrow sends: reads change nothing and a raw transaction is the same however often it arrives.
Addresses of RPCs may hold a secret, so errors name only the host. A loopback node is never asked for through a proxy.

Does not: know contracts; `chain/client.py` does.

Usage::

    w3 = connect("http://127.0.0.1:8545", chain_id=31337)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.providers.rpc import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import RPC_CONNECT_S_MAX, RPC_TIME_S_MAX

_RETRY_WAIT_S: Final = 0.2
_LOOPBACK: Final = ("127.", "localhost", "::1")
_GONE: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class PatientProvider(HTTPProvider):
    """web3's HTTP provider with Windrow's patience and errors."""

    def __init__(
        self,
        url: str,
        *,
        patience_s: float,
        answer_s: float = RPC_TIME_S_MAX,
        monotonic_s: Callable[[], float] = time.monotonic,
        ending: Event | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WindrowError("bad_config", "the RPC address must be an http or https URL")
        self.host = parts.netloc.rpartition("@")[2]
        self._patience_s = patience_s
        self._monotonic_s = monotonic_s
        self._ending = ending
        session = requests.Session()
        session.trust_env = not parts.hostname.startswith(_LOOPBACK)
        super().__init__(
            url,
            request_kwargs={"timeout": (min(RPC_CONNECT_S_MAX, answer_s), answer_s)},
            session=session,
            exception_retry_configuration=None,
        )

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request. Raises WindrowError `chain_unreachable` when no answer comes in time."""
        deadline_s = self._monotonic_s() + self._patience_s
        while True:
            try:
                return self._answer(method, params)
            except requests.HTTPError as error:
                status = error.response.status_code if error.response is not None else 0
                if status < 500 and status != 429:
                    raise WindrowError("chain_unreachable", f"{self.host} answers HTTP {status}") from None
                failure = f"HTTP {status}"
            except _GONE as error:
                failure = type(error).__name__
            except ValueError:
                raise WindrowError("chain_unreachable", f"{self.host} does not speak JSON-RPC") from None
            if self._monotonic_s() >= deadline_s or self._ends_while_waiting():
                raise WindrowError("chain_unreachable", f"{self.host}: {failure}")

    def _ends_while_waiting(self) -> bool:
        if self._ending is not None:
            return self._ending.wait(_RETRY_WAIT_S)
        time.sleep(_RETRY_WAIT_S)
        return False

    def _answer(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Return the answer, or leave its wait to a thread that nobody joins once the process is ending."""
        if self._ending is None:
            return super().make_request(method, params)
        answer: Future[RPCResponse] = Future()
        ask = super().make_request

        def fill() -> None:
            try:
                answer.set_result(ask(method, params))
            except BaseException as error:
                answer.set_exception(error)

        Thread(target=fill, name="rpc-request", daemon=True).start()
        while not wait([answer], _RETRY_WAIT_S).done:
            if self._ending.is_set():
                raise WindrowError(
                    "chain_unreachable", f"{self.host}: no answer until the end of the process"
                )
        return answer.result()


def connect(
    url: str,
    chain_id: int,
    *,
    patience_s: float = 10.0,
    answer_s: float = RPC_TIME_S_MAX,
    ending: Event | None = None,
) -> Web3:
    """Connect to a node and make sure that it serves the chain meant.

    One request waits `answer_s` for its answer. Once `ending` is set nobody waits for it any more. Raises
    WindrowError `bad_config`, `chain_unreachable` or `wrong_chain`.
    """
    provider = PatientProvider(url, patience_s=patience_s, answer_s=answer_s, ending=ending)
    w3 = Web3(provider)
    try:
        served = w3.eth.chain_id
    except (Web3Exception, ValueError, TypeError) as error:
        raise WindrowError("chain_unreachable", f"{provider.host} does not say its chain id") from error
    if served != chain_id:
        raise WindrowError("wrong_chain", f"{provider.host} serves chain {served}, configured is {chain_id}")
    return w3
