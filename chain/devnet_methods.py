"""The JSON-RPC methods of the devnet: one table from method name to function.

Rules: a method gets the chain, the parameters and the time, and returns a JSON value or raises `RpcError`. `latest`,
`safe` and `finalized` are the newest block; what is *tried* there (eth_call, eth_estimateGas) runs as the next block
would, so that a wait measured in chain time can be seen to end although no block is mined in between.

Does not: speak HTTP (`chain/devnet.py`), sign for anybody, mine empty blocks or move time.

Usage::

    answer = METHODS["eth_blockNumber"](Context(durable_chain, now_s), [])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_typing import Address

from chain.devnet_logs import LogFilter
from chain.devnet_values import (
    NEWEST_TAGS,
    Json,
    ParameterError,
    block_json,
    data,
    logs_json,
    parse_call,
    parse_data,
    parse_quantity,
    proof_json,
    quantity,
    receipt_json,
    transaction_json,
)
from chain.durable_chain import DurableChain
from chain.evm import EmbeddedChain
from chain.evm_values import RefusalError
from windrow_protocol.limits import RPC_LOGS_MAX, RPC_PROVEN_WORDS_MAX
from windrow_protocol.merkle import keccak256

INVALID_PARAMETERS: Final = -32602
METHOD_UNKNOWN: Final = -32601
SERVER_ERROR: Final = -32000
LIMIT_EXCEEDED: Final = -32005
REVERTED: Final = 3
TIP_WEI: Final = 1_000_000_000
_FEE_BLOCKS_MAX: Final = 1024


class RpcError(Exception):
    """An answer that is an error: JSON-RPC's code, a message, and data where a contract gave some."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Context:
    """What a method may use. `now_s` is real time in whole seconds."""

    durable: DurableChain
    now_s: int

    @property
    def chain(self) -> EmbeddedChain:
        """The chain in memory."""
        return self.durable.chain

    @property
    def head_number(self) -> int:
        """The newest block's number."""
        return self.durable.chain.head_number


Method = Callable[[Context, Sequence[Any]], Any]
METHODS: Final[dict[str, Method]] = {}


def _method(name: str) -> Callable[[Method], Method]:
    def register(function: Method) -> Method:
        METHODS[name] = function
        return function

    return register


def answer(context: Context, method: object, params: object) -> Any:
    """Run one method. Raises RpcError for everything that is the caller's doing."""
    if not isinstance(method, str) or method not in METHODS:
        raise RpcError(METHOD_UNKNOWN, f"the method {str(method)[:60]} does not exist or is not available")
    if not isinstance(params, list):
        raise RpcError(INVALID_PARAMETERS, "params must be a list")
    try:
        return METHODS[method](context, params)
    except ParameterError as error:
        raise RpcError(INVALID_PARAMETERS, str(error)) from error
    except RefusalError as error:
        if error.data is None:
            raise RpcError(SERVER_ERROR, error.message) from error
        raise RpcError(REVERTED, error.message, data(error.data)) from error


def _at(params: Sequence[Any], place: int) -> Any:
    return params[place] if place < len(params) else None


def _number(chain: EmbeddedChain, tag: Any) -> int | None:
    """The block a tag names, None for the newest. Raises ParameterError when there is no such block."""
    if isinstance(tag, Mapping):  # EIP-1898
        if "blockHash" in tag:
            number = chain.number_of(parse_data(tag["blockHash"], "blockHash", 32))
            if number is None:
                raise ParameterError("there is no block of this hash")
            return number
        tag = tag.get("blockNumber")
    if tag is None or tag in NEWEST_TAGS:
        return None
    number = 0 if tag == "earliest" else parse_quantity(tag, "the block")
    if number > chain.head_number:
        raise ParameterError(f"there is no block {number}; the newest is {chain.head_number}")
    return number


def _address(value: Any) -> Address:
    return Address(parse_data(value, "the address", 20))


@_method("web3_clientVersion")
def _client_version(context: Context, params: Sequence[Any]) -> str:
    return "windrow-devnet/1/py-evm"


@_method("web3_sha3")
def _sha3(context: Context, params: Sequence[Any]) -> str:
    return data(keccak256(parse_data(_at(params, 0), "data")))


@_method("net_version")
def _net_version(context: Context, params: Sequence[Any]) -> str:
    return str(context.chain.genesis.chain_id)


@_method("net_listening")
def _listening(context: Context, params: Sequence[Any]) -> bool:
    return True


@_method("eth_syncing")
def _syncing(context: Context, params: Sequence[Any]) -> bool:
    return False


@_method("eth_accounts")
def _accounts(context: Context, params: Sequence[Any]) -> list[str]:
    return []  # the devnet holds no keys: transactions come signed


@_method("eth_chainId")
def _chain_id(context: Context, params: Sequence[Any]) -> str:
    return quantity(context.chain.genesis.chain_id)


@_method("eth_blockNumber")
def _block_number(context: Context, params: Sequence[Any]) -> str:
    return quantity(context.head_number)


@_method("eth_gasPrice")
def _gas_price(context: Context, params: Sequence[Any]) -> str:
    return quantity(context.chain.base_fee_wei(context.now_s) + TIP_WEI)


@_method("eth_maxPriorityFeePerGas")
def _tip(context: Context, params: Sequence[Any]) -> str:
    return quantity(TIP_WEI)


@_method("eth_feeHistory")
def _fee_history(context: Context, params: Sequence[Any]) -> Json:
    count = parse_quantity(_at(params, 0), "the block count")
    if not 1 <= count <= _FEE_BLOCKS_MAX:
        raise ParameterError(f"the block count must be 1 to {_FEE_BLOCKS_MAX}")
    number = _number(context.chain, _at(params, 1))
    newest = context.head_number if number is None else number
    oldest = max(0, newest + 1 - count)
    headers = [context.chain.header(n) for n in range(oldest, newest + 1)]
    following = (
        context.chain.next_header(context.now_s)
        if newest == context.head_number
        else context.chain.header(newest + 1)
    )
    history: Json = {
        "oldestBlock": quantity(oldest),
        "baseFeePerGas": [quantity(h.base_fee_per_gas) for h in [*headers, following]],
        "gasUsedRatio": [h.gas_used / h.gas_limit for h in headers],
    }
    percentiles = _at(params, 2)
    if isinstance(percentiles, list) and percentiles:
        history["reward"] = [[quantity(TIP_WEI)] * len(percentiles) for _ in headers]
    return history


@_method("eth_getBalance")
def _balance(context: Context, params: Sequence[Any]) -> str:
    state = context.chain.state(_number(context.chain, _at(params, 1)))
    return quantity(state.get_balance(_address(_at(params, 0))))


@_method("eth_getTransactionCount")
def _nonce(context: Context, params: Sequence[Any]) -> str:
    state = context.chain.state(_number(context.chain, _at(params, 1)))
    return quantity(state.get_nonce(_address(_at(params, 0))))


@_method("eth_getCode")
def _code(context: Context, params: Sequence[Any]) -> str:
    state = context.chain.state(_number(context.chain, _at(params, 1)))
    return data(state.get_code(_address(_at(params, 0))))


@_method("eth_getStorageAt")
def _storage(context: Context, params: Sequence[Any]) -> str:
    slot = parse_quantity(_at(params, 1), "the slot")
    state = context.chain.state(_number(context.chain, _at(params, 2)))
    return data(state.get_storage(_address(_at(params, 0)), slot).to_bytes(32, "big"))


@_method("eth_getProof")
def _proof(context: Context, params: Sequence[Any]) -> Json:
    account, slots = _address(_at(params, 0)), _at(params, 1)
    if not isinstance(slots, list) or len(slots) > RPC_PROVEN_WORDS_MAX:
        raise ParameterError(f"the words of storage must be a list of at most {RPC_PROVEN_WORDS_MAX}")
    number = _number(context.chain, _at(params, 2))
    places = [_slot(slot) for slot in slots]
    return proof_json(
        account, context.chain.proof(account, places, context.head_number if number is None else number)
    )


def _slot(value: Any) -> int:
    """A place in storage: nodes take it as a quantity and as 32 bytes."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(parse_data(value, "the place", 32), "big")
    return parse_quantity(value, "the place")


@_method("eth_call")
def _call(context: Context, params: Sequence[Any]) -> str:
    number = _number(context.chain, _at(params, 1))
    return data(context.chain.call(parse_call(_at(params, 0)), context.now_s, number))


@_method("eth_estimateGas")
def _estimate_gas(context: Context, params: Sequence[Any]) -> str:
    if _number(context.chain, _at(params, 1)) is not None:
        raise ParameterError("gas is estimated on the newest block only")
    return quantity(context.chain.estimate_gas(parse_call(_at(params, 0)), context.now_s))


@_method("eth_sendRawTransaction")
def _send_raw(context: Context, params: Sequence[Any]) -> str:
    raw = parse_data(_at(params, 0), "the raw transaction")
    return data(context.durable.send(raw, context.now_s).transaction.hash)


@_method("eth_getTransactionByHash")
def _transaction(context: Context, params: Sequence[Any]) -> Json | None:
    mined = context.chain.mined(parse_data(_at(params, 0), "the transaction hash", 32))
    return None if mined is None else transaction_json(mined)


@_method("eth_getTransactionReceipt")
def _receipt(context: Context, params: Sequence[Any]) -> Json | None:
    mined = context.chain.mined(parse_data(_at(params, 0), "the transaction hash", 32))
    return None if mined is None else receipt_json(mined)


@_method("eth_getBlockByNumber")
def _block_by_number(context: Context, params: Sequence[Any]) -> Json | None:
    tag, full = _at(params, 0), bool(_at(params, 1))
    if tag == "pending":
        return block_json(context.chain.next_header(context.now_s), None, full=full, pending=True)
    try:
        number = _number(context.chain, tag)
    except ParameterError:
        parse_quantity(tag, "the block")
        return None
    return _block(context.chain, context.head_number if number is None else number, full)


@_method("eth_getBlockByHash")
def _block_by_hash(context: Context, params: Sequence[Any]) -> Json | None:
    number = context.chain.number_of(parse_data(_at(params, 0), "the block hash", 32))
    return None if number is None else _block(context.chain, number, bool(_at(params, 1)))


def _block(chain: EmbeddedChain, number: int, full: bool) -> Json:
    return block_json(chain.header(number), chain.mined_in(number), full=full, pending=False)


@_method("eth_getLogs")
def _logs(context: Context, params: Sequence[Any]) -> list[Json]:
    wanted = LogFilter.parse(_at(params, 0))
    first, last = wanted.first, wanted.last
    if wanted.block_hash is not None:
        first = last = _number(context.chain, {"blockHash": data(wanted.block_hash)})
    head = context.head_number
    found: list[Json] = []
    for number in range(head if first is None else first, (head if last is None else min(last, head)) + 1):
        mined = context.chain.mined_in(number)
        if mined is not None:
            found += [log for log in logs_json(mined) if wanted.matches(log)]
        if len(found) > RPC_LOGS_MAX:
            raise RpcError(LIMIT_EXCEEDED, f"more than {RPC_LOGS_MAX} events; ask for fewer blocks")
    return found
