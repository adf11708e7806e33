"""Every way Windrow says no: one table of reason codes, sentences and remedies.

Rules: a rejection always carries a code from `REASONS`; the sentence is for a contributor, buyer or operator who
has never read the code; the remedy says what to do next. Codes are part of the public protocol and never change meaning.

Does not: decide anything, log anything, or translate.

Usage::

    raise WindrowError("lease_expired", f"lease {lease_id} ended at {expires_at_ms}")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One way to say no. `http_status` is what a server answers; commands exit with `exit_code`."""

    code: str
    sentence: str
    remedy: str
    http_status: int = 400
    exit_code: int = 1


def _table(*rows: Reason) -> dict[str, Reason]:
    table = {row.code: row for row in rows}
    if len(table) != len(rows):
        raise ValueError("a reason code is declared twice")
    return table


# fmt: off
REASONS: dict[str, Reason] = _table(
    # --- messages and signatures -----------------------------------------------------------------------------
    Reason("unsigned", "The message carries no signature", "sign it with the node's key as docs/protocol.md says", 401),
    Reason("bad_signature", "The signature does not match the message", "sign exactly the bytes that are sent, with the key named in `kid`", 401),
    Reason("wrong_network", "The message was made for another network", "use the network name that GET /v1/network gives", 400),
    Reason("wrong_purpose", "The signature was made for another purpose", "sign each kind of message with its own purpose", 401),
    Reason("signature_expired", "The signature has expired", "sign again; check this machine's clock against `server_time_ms`", 401),
    Reason("clock_skew", "The message is dated more than 120 s from our clock", "set this machine's clock; the answer carries `server_time_ms`", 401),
    Reason("replayed", "This signed message was already used", "make a new nonce for each request", 409),
    Reason("wrong_schema", "The message does not have the shape it should", "compare it with GET /openapi.json", 400),
    Reason("not_json", "The message is not valid JSON", "send one UTF-8 JSON object", 400),
    Reason("coded_body", "The body has a Content-Encoding", "send it as it is, without that header; a batch of records is zstd of itself", 415),
    Reason("broken_body", "The body broke off, or is not as its headers say", "send it again, whole", 400),
    Reason("too_large", "The message is larger than allowed", "send less at once; the limits are in GET /v1/network", 413),
    Reason("decompression_bomb", "The compressed body grows beyond the limit", "send smaller batches", 413),
    Reason("bad_compression", "The body is not valid zstd", "compress with zstd, one frame, content size known", 400),
    Reason("too_many_requests", "Too many requests from this address", "wait as `Retry-After` says", 429),
    Reason("busy", "The coordinator is short of memory or disk", "try again after `Retry-After`; nothing was lost", 503),
    # --- leases and contributions ------------------------------------------------------------------------------
    Reason("unknown_node", "This node is not registered", "register it first: POST /v1/nodes", 403),
    Reason("bad_payout_address", "The payout address is not a valid EVM address", "give a 0x address with a correct checksum", 400),
    Reason("payout_fixed", "This node already has another payout address", "change it with a delegation signed by the wallet", 409),
    Reason("unknown_lease", "There is no such lease", "ask for leases with POST /v1/leases", 404),
    Reason("not_your_lease", "The lease belongs to another node", "submit only what was leased to this node", 403),
    Reason("lease_expired", "The lease has expired", "ask for a new lease and submit before `expires_at_ms`", 410),
    Reason("lease_closed", "The lease already has another result", "submit one result for each lease", 409),
    Reason("lease_forged", "The lease is not signed by the coordinator", "pin the coordinator's key given in GET /v1/network", 403),
    Reason("wrong_digest", "A digest does not match the content", "compute the SHA-256 over the bytes that are sent", 400),
    Reason("wrong_contribution_id", "The contribution id is not the one its lease gives", "derive it as docs/protocol.md says", 400),
    Reason("url_mismatch", "The contribution is for another URL than its lease", "submit the URL exactly as leased", 400),
    Reason("wrong_time", "The time of the fetch lies outside its lease", "set this machine's clock", 400),
    Reason("empty_text", "The contribution has no text", "report the outcome without text when a page has none", 400),
    Reason("old_extractor", "Another release of Windrow made this text: its main content is not what an audit would find now", "update the node to the coordinator's release; nothing of it is paid, audited or fined", 400),
    Reason("unknown_outcome", "The outcome is not in the protocol's vocabulary", "use one of the outcomes in docs/protocol.md", 400),
    # --- verdicts ----------------------------------------------------------------------------------------------------
    Reason("matches_truth", "The text agrees with what a validator fetched", "nothing to do", 200),
    Reason("differs_from_truth", "The text differs from what validators fetched", "fetch the page itself; if it had changed, send the operator your receipt", 200),
    Reason("truths_disagree", "Validators saw different pages, so nothing can be said", "nothing to do: this is never held against the node", 200),
    Reason("inconclusive", "The text differs from what validators fetched, but too little to prove anything", "nothing to do: this is never held against the node", 200),
    Reason("another_page", "The text is that of another page of the host, and lacks what is this page's own", "fetch the page that was leased", 200),
    Reason("lacks_own_part", "The text lacks what sets this page apart from others of its host, and may be an older one", "nothing to do: this is never held against the node", 200),
    Reason("perhaps_stale", "The text lacks what is new on the page, which may be younger than your fetch", "nothing to do: this is never held against the node", 200),
    Reason("truth_unavailable", "No validator could fetch the page", "nothing to do: this is never held against the node", 200),
    Reason("not_drawn", "Not drawn for an audit: its pay vests once later audits of the node have passed", "nothing to do", 200),
    Reason("hard_host", "Pages of this host cannot be checked yet, so only the fetch fee is paid", "nothing to do: this is never held against the node", 200),
    Reason("canary_matched", "A control page, and it was really fetched", "nothing to do", 200),
    Reason("canary_differs", "A control page whose text only a real fetch could know, and it differs", "fetch the page itself", 200),
    Reason("refusal_agreed", "A validator was refused the page too", "nothing to do", 200),
    Reason("refusal_open", "Validators were given a page that this node was refused, which may depend on its address: it goes to another node", "nothing to do: this is never held against the node", 200),
    Reason("refusal_differs", "Three validators were given the page that this node said it could not have", "report what the site answers; use a current node", 200),
    Reason("replaces", "A validator's text that takes the place of one that differed from it", "nothing to do", 200),
    # --- validators ------------------------------------------------------------------------------------------------------
    Reason("not_a_validator", "Only validators of this network may ask this", "ask the network's operator to list this node's id", 403),
    Reason("unknown_epoch", "There is no such epoch, or it is not in that state", "see the open epoch in the answer of POST /v1/audit/log", 409),
    Reason("commitment_fixed", "Another secret was committed to for this epoch", "keep the secrets file; draw with the secret that was committed", 409),
    Reason("wrong_secret", "The secret is not the one that was committed to", "reveal the committed secret; without it the epoch pays no dividends", 409),
    Reason("no_commitment", "No secret was committed to before this epoch began", "commit for the next epoch with POST /v1/audit/commitments", 409),
    Reason("wrong_draw", "What was said to be drawn is not what the revealed secret draws", "draw with the committed secret over every entry of the log", 409),
    Reason("draw_missing", "What the revealed secret draws was not said to be drawn", "draw with the committed secret over every entry of the log", 409),
    Reason("wrong_log", "What the validator says it saw is not what the epoch holds", "read the log again from the commitment on; if it differs again, publish both", 409),
    Reason("unrevealed", "The secret was not revealed in time, so the epoch pays no dividends", "keep the validator running until the epoch is closed", 409),
    Reason("no_truth_used", "No verdict of the epoch rests on a truth of this validator", "answer the leases that are drawn", 200),
    Reason("single_operator", "Only one operator's validators are left to compare, so it gets what the audits are paid with", "nothing to do", 200),
    Reason("replay_differs", "The published files of the audit epoch do not follow from each other", "fetch them again; if they differ again, publish what you found", 409),
    # --- standing ----------------------------------------------------------------------------------------------------------
    Reason("node_left", "This node has left the network or its owner revoked it", "register a new node", 403),
    Reason("node_suspended", "This node is suspended: its mismatches cannot be chance", "appeal the verdicts it rests on (POST /v1/appeals)", 403),
    Reason("prefix_quarantined", "A node of this address range was suspended, so no new one is taken for now", "come back when the time named is over", 403),
    Reason("bad_delegation", "The wallet's delegation is not valid", "sign network, node, payout address, scopes and expiry with the wallet as docs/protocol.md says", 403),
    Reason("not_appealable", "There is nothing to appeal: the verdict is not yours, not disclosed, or appealed already", "see POST /v1/disclosures", 409),
    Reason("too_many_appeals", "This node has as many open appeals as are looked at together", "wait until one of them is decided", 429),
    Reason("too_many_withdrawals", "This node took back as many donations that never came here as it may", "withdraw what you gave; what never came here is kept by nobody here", 429),
    # --- what an audit has as its consequence ----------------------------------------------------------------------------
    Reason("replaced", "The text differed from what validators fetched, so theirs took its place and it earns nothing", "appeal the verdict once if the page itself had changed (`windrow node appeal`)", 200),
    Reason("escalated", "After a mismatch this node's work is audited more often, and its pending pay waits", "go on working: it ends by itself after audits passed, documents or days", 200),
    Reason("cleared", "The closer watch after a mismatch is over, and pending pay vests again", "nothing to do", 200),
    Reason("strike", "A mismatch that costs nothing: some are free, because anybody can meet a bad page", "appeal the verdict once if the page itself had changed (`windrow node appeal`)", 200),
    Reason("fined", "A mismatch beyond the free ones costs more than such a document could have earned", "appeal the verdict once if the page itself had changed (`windrow node appeal`)", 200),
    Reason("padding", "Audits keep finding text that no truth has, so pending pay for new text shrinks by that share", "send the page's main text and nothing else", 200),
    Reason("suspended", "The mismatches of this node cannot be chance: it gets no more leases, and pending pay and bond are forfeited", "appeal the verdicts it rests on (`windrow node appeal`)", 200),
    Reason("would_suspend", "The mismatches of this node would suspend it, were suspension in force here", "nothing changes for now; appeal the verdicts it rests on", 200),
    Reason("voided", "The page differs from fetch to fetch or changed meanwhile, so nothing is held against the node", "nothing to do: what it had cost comes back", 200),
    Reason("restored", "Looked at again, the text is the page's: it is paid as accepted, and what it had cost comes back", "nothing to do", 200),
    Reason("appeal_denied", "Looked at again, the text is still not the page's; the fresh fetches cost three fees", "nothing to do: a verdict is looked at again once", 200),
    Reason("left_settled", "The node has left: what was drawn of its pending documents is settled, and the rest vests", "nothing to do: the bond comes back on the date shown", 200),
    Reason("bond_returned", "The bond of a node that left comes back", "nothing to do", 200),
    Reason("begun_again", "A fine took all that this node had at stake, so it begins again: what it hands in is all audited, and is its bond once more", "go on working: it ends by itself after documents passed", 200),
    Reason("bond_kept", "The bond of a node that left is kept: a fine had taken all that it had, and it has passed too few audits since", "work on until `canary_young_audits` of the rules have passed before you leave", 200),
    # --- the node ------------------------------------------------------------------------------------------------------
    Reason("unsafe_address", "The address is private, local or reserved", "only public addresses are fetched; list a loopback test site with `allow_private`", 403),
    Reason("not_leased", "The request is not covered by a signed lease", "the node fetches only what is leased to it", 403),
    Reason("method_refused", "Only GET and HEAD requests without a body leave the node", "ask for the page with GET", 403),
    Reason("line_log_unwritable", "The line log cannot be written, so nothing is fetched", "free disk space, or give this user write access to the node's home", 507),
    Reason("host_unreachable", "The host has no address or does not answer", "nothing to do: the lease is reported as it is", 502),
    Reason("bad_answer", "The host's answer is not valid HTTP", "nothing to do: the lease is reported as it is", 502),
    Reason("fetch_timeout", "The host took longer than the lease allows", "nothing to do: the lease is reported as it is", 504),
    Reason("budget_exhausted", "The caps set by the node's owner leave no room for this request", "raise the caps, or wait for the next day or month", 403),
    Reason("owner_denied", "The owner of this node does not want this domain asked", "change `deny_domains`, `allow_domains` or `deny_categories` in node.toml", 403),
    Reason("bad_coordinator_answer", "The coordinator's answer is not what the protocol says", "check the address; tell its operator if it stays so", 502),
    Reason("node_running", "Another node is using this home", "stop it, or give this one another --home", 409),
    Reason("node_not_running", "No node is running in this home", "start it with `windrow node run` or `windrow node install`, or give its --home", 409),
    Reason("no_service_manager", "This system has no service manager that is known here", "start `windrow node run` by the means of this system", 400, 2),
    Reason("service_not_started", "The service's files are written, but its manager did not start it", "run the command named yourself, or `windrow node uninstall`", 409),
    Reason("nothing_given", "Nothing was given from this home", "name the home it was given from with --home; nothing was made", 404),
    Reason("wallet_refused", "No wallet was made", "choose another path or passphrase, as the reason says", 400, 2),
    Reason("backup_refused", "The key was neither backed up nor restored", "choose another file or passphrase, as the reason says", 400, 2),
    Reason("no_consent", "Without consent to this nothing is fetched, so no node was set up", "agree with --consent pages, or do not run a node", 403, 2),
    Reason("coordinator_changed", "The coordinator is not the one this node pinned on first contact", "ask its operator; delete coordinator.json in the node's home only if you trust the new key", 403),
    Reason("foreign_request", "The dashboard answers only its own pages, at the address they were opened with", "open it with the link of `windrow node dashboard`", 403),
    Reason("dashboard_closed", "This browser was not let in to the dashboard, or the node was started again since", "open a new link: `windrow node dashboard`", 401),
    Reason("dashboard_method", "This address of the dashboard is for another kind of request", "use the dashboard's own pages and buttons", 405),
    Reason("no_dashboard", "No node with a dashboard is running in this home", "start it with `windrow node run`, or give its --home", 503),
    Reason("no_browser", "No Chromium was found", "install one (Debian: apt-get install chromium) or set WINDROW_CHROMIUM", 500, 2),
    # --- the house -----------------------------------------------------------------------------------------------------
    Reason("demo_failed", "The demo could not go on", "read the log named; `windrow doctor` checks this machine", 500),
    Reason("part_missing", "A part that this command needs is not installed", "pip install 'windrow[node,browser,server]', or the one extra you need", 500, 2),
    Reason("no_house", "No house has run in this home", "name the right one with --home or WINDROW_HOME, or begin one with `windrow up`; nothing was made", 404),
    Reason("home_locked", "Another process is using this home", "stop the other `windrow up`, or use another WINDROW_HOME", 503),
    Reason("home_newer", "This home was used by a newer Windrow", "use that version again; nothing was changed", 409, 2),
    Reason("home_too_old", "This home is of a version that this Windrow cannot migrate", "open it with the version between, or begin a new home; nothing was changed", 409, 2),
    Reason("home_unwritable", "The home folder cannot be written", "give this user write access, or set WINDROW_HOME", 500, 2),
    Reason("other_network", "This home belongs to another network", "set WINDROW_NETWORK to the one named first, or use another home; nothing was changed", 409, 2),
    Reason("other_database", "The database of the settings is not this home's", "set WINDROW_DATABASE_URL to the one that it was begun or restored with; nothing was changed", 409, 2),
    Reason("other_files", "The place for files of the settings is not this home's", "set WINDROW_FILES to the one that it was begun or restored with; nothing was changed", 409, 2),
    Reason("other_contracts", "With these settings the house would pay through other contracts than this home does", "set WINDROW_NETWORK, WINDROW_TIMELOCK_S and the operator's key as they were, or the version of Windrow; nothing was deployed", 409, 2),
    Reason("backup_in_way", "There is something where this would be written", "name a folder that does not exist yet, and an empty database; nothing was written", 409, 2),
    Reason("table_refused", "This is not written into that table", "name a folder or s3:// address of its own for each dataset, outside the home; nothing was written", 409, 2),
    Reason("table_failed", "The table cannot be read or written", "see that the folder or S3 server can be written (docs/operate.md), then run the command again: a version is in a table whole or not at all", 503),
    Reason("backup_damaged", "The backup is not as it was written", "use another one; nothing was written", 409),
    Reason("backup_keys", "The keys of this home are missing, or are those of another", "give your copy of the home's folder `keys` with --keys, or --without-keys to go on with new ones", 409, 2),
    Reason("port_taken", "The port is already in use", "stop the other program, or choose another port", 500, 2),
    Reason("not_running", "Nothing answers at this address", "start it with `windrow up`, or check the address", 503),
    Reason("bad_config", "The configuration has a mistake", "correct the setting named", 400, 2),
    Reason(
        "database_failed",
        "The database cannot be used",
        "correct WINDROW_DATABASE_URL (docs/operate.md), or let this user read and write the home and its state.db",
        500,
        2,
    ),
    Reason("files_away", "The coordinator's place for segments, lake and exports does not answer", "try again after `Retry-After`: what was acknowledged is kept; its operator sees that the server answers", 503),
    Reason("cluster_failed", "The cluster that batch work is given to does not do it", "see that `cluster` names a Ray cluster that runs, with Windrow on each of its machines, then run the command again: nothing was changed by halves", 503),
    Reason("restarting", "The coordinator is being started again", "try again after `Retry-After`: what was acknowledged is kept, and the same again is the same", 503),
    Reason("database_away", "The coordinator's database does not answer", "try again after `Retry-After`: what was acknowledged is kept; its operator starts the database again", 503),
    Reason(
        "files_failed",
        "The place for segments, lake and exports cannot be used",
        "correct WINDROW_FILES, AWS_ENDPOINT_URL and the keys of AWS (docs/operate.md), and see that the server answers",
        500,
        2,
    ),
    Reason("bad_usage", "The command is not written as it should be", "see the command's `--help`", 400, 2),
    Reason("not_held", "A cheat earned more than its work is worth", "see the strategies that are not held; do not run a network with these rules", 409),
    Reason("not_confirmed", "It was not confirmed, so nothing was done", "run it again and say yes, or give --yes", 409),
    Reason("damaged_index", "The index of seen texts is damaged", "start again: it is then made anew from the log; check the disk", 500),
    Reason(
        "disk_failed",
        "This machine refused to read or write",
        "check that the path named exists, that this user may use it, and that the disk has room",
        500,
        2,
    ),
    Reason("bad_url", "The URL cannot be used", "give an absolute http or https URL", 400),
    Reason("not_found", "There is nothing of this name", "check the name", 404),
    Reason("unknown_export", "There is no export here that can be read", "`windrow bridge import --list` says which exports can be, and where to get them", 400, 2),
    Reason("export_damaged", "The export cannot be read", "ask the service for it again; if it opens with other programs, unpack it and give the folder", 400),
    Reason("export_refused", "The export goes beyond what is safe to unpack", "if it is really yours, unpack it with another program and give the folder", 413),
    # --- data -----------------------------------------------------------------------------------------------------------
    Reason("unknown_dataset", "There is no dataset of this name", "see the names with GET /market/datasets or in `datasets/`", 404),
    Reason("sql_refused", "The statement is not allowed here", "write exactly one SELECT over the documented views", 400),
    Reason("sql_failed", "The statement failed", "correct the statement", 400),
    Reason("sql_limits", "The query was stopped at its time or memory limit", "select less, or raise the limit", 400),
    Reason("sql_stopped", "The question was stopped, because nobody waits for its answer any more", "ask again", 409),
    Reason("question_running", "A question of this session or token is still running", "wait for its answer or stop it, then ask again", 409),
    Reason("no_answer", "The answer is not kept any more", "ask again", 404),
    Reason("bad_question", "A saved question needs a name of its own and a statement", "choose another name, or delete a question first", 409),
    Reason("bad_sign_in", "The sign-in is not valid", "sign the text that the console gives, within five minutes", 401),
    Reason("signed_out", "This browser has not signed in to the console, or its session is over", "sign in again, or open the link of `windrow operator login`", 401),
    Reason("foreign_console", "The console answers only its own pages, at the addresses set for it", "open it at an address of `console_origins` in windrow.toml", 403),
    Reason("unknown_operator", "This account has no role in the console", "have it granted one: `windrow operator grant ADDRESS ROLE`", 403),
    Reason("role_too_low", "This account's role does not allow that", "ask an operator for another role", 403),
    Reason("bad_token", "The token is unknown, over or revoked", "make a new one in the console or with `windrow operator token`", 401),
    Reason("too_many_tokens", "This account has as many tokens as it may have", "revoke one first", 409),
    Reason("no_snapshot", "The lake has no such snapshot", "see the kept ones with `SELECT * FROM snapshots` or `windrow lake stats`", 404),
    Reason("lake_damaged", "The lake does not hold what its manifest says", "put the named files back from a backup; nothing was changed", 409),
    Reason("bad_warc", "The file cannot be read as WARC", "give a .warc or .warc.gz file; ARC files have to be converted first", 400),
    Reason("damaged_warc", "A part of the file cannot be read; the rest of it is imported", "get the file again and import it again: nothing is stored twice", 400),
    Reason("not_erasable", "The document cannot be erased yet", "close its audit epoch first: `windrow epoch close`", 409),
    Reason("host_withheld", "This host is left alone already", "`windrow host list` shows the orders in force", 409),
    Reason("public_suffix", "Hosts below a public suffix have many owners", "name a host or a domain of one owner", 400),
    Reason("not_withheld", "There is no order about this host", "`windrow host list` shows the orders in force", 404),
    Reason("missing_reason", "An order about a host needs a reason and a proof", "say why with --reason, and how it is known with --proven", 400, 2),
    Reason("not_proven", "The host does not show that its publisher asks", "have the publisher put the token there, or say with --proven how it is known", 403),
    Reason("checks_failed", "The export does not pass its own checks", "see the failing check's rows; nothing was published", 409),
    Reason("bad_recipe", "The dataset's recipe has a mistake", "correct the file named in `datasets/`; nothing was published", 400, 2),
    Reason("nothing_to_publish", "The recipe selects no rows", "wait for accepted contributions, or lower the recipe's thresholds", 409),
    Reason("not_verified", "The export does not pass every check", "see the failed checks; do not rely on it before it is whole", 409),
    Reason("export_corrupt", "The export does not match its manifest", "download the named file again", 409),
    Reason("bad_consent", "The consent receipt does not cover what was sent", "give consent again for exactly these items; nothing was kept", 403),
    Reason("not_redacted", "The text still holds personal data that redaction removes", "use a current bridge, or remove the kinds named from the text", 422),
    Reason("not_own_words", "These are another person's words, or nobody said whose they are", "give only what you wrote yourself, without what you quote or whom you name by account", 403),
    Reason("too_exact", "A time or a sum is more exact than may leave", "use a current bridge: of an export only the month and a rounded sum leave", 422),
    Reason("wrong_origin", "This program is not allowed to speak to the bridge", "use the Windrow extension, and run `windrow bridge install` again", 403, 2),
    Reason("not_paired", "This browser is not paired with the bridge", "run `windrow bridge pair` and type the code into the extension within two minutes", 401),
    Reason("not_agreed", "There is no consent yet", "tick the consent box after reading what would leave", 403),
    Reason("not_open", "The item was changed or sent meanwhile", "look at it again in the review, then send", 409),
    Reason("nothing_to_withdraw", "There is nothing left to withdraw", "see the donation's state with `status`", 409),
    Reason("withdrawn", "This was taken back, so it is not taken again", "give it anew from the device of the person it belongs to", 410),
    Reason("key_store_failed", "The store of the operator's key does not answer, or the key is not in it", "check the file or keyring, or the module's library, token and PIN, then try again; nothing was lost", 503, 2),
    Reason("key_gone", "The key of this is gone, so nobody can read it", "nothing to do where it was withdrawn; else restore the operator's key", 410),
    Reason("no_node_key", "This home has no node key", "start the node once with `windrow node run`, or set WINDROW_NODE_HOME", 409, 2),
    # --- money ---------------------------------------------------------------------------------------------------------
    Reason("wrong_asset", "The token is not the one configured", "compare address, EIP-712 name, version and decimals with what its issuer says", 500),
    Reason("wrong_chain", "The RPC serves another chain than configured", "set WINDROW_RPC_URL and the chain id to the same chain", 400, 2),
    Reason("chain_unreachable", "The chain's RPC does not answer", "start it, or correct WINDROW_RPC_URL", 503),
    Reason("chain_rejected", "The chain rejected the transaction", "see the reason given", 409),
    Reason("chain_pending", "The transaction is not in a block yet", "run the same command again: what was sent is found, not sent twice", 503),
    Reason("chain_journal_corrupt", "The devnet's journal is damaged before its end, so its chain cannot be rebuilt", "restore the home's `devnet` folder from a backup; nothing was changed", 500),
    Reason("claims_paused", "Claims are paused by the distributor's owner", "claim again when the pause is over; it lasts seven days at most", 409),
    Reason("unbalanced", "The ledger does not balance", "stop paying and compare `windrow doctor` with the last backup", 500),
    Reason("nothing_to_settle", "Nothing was earned since the last epoch", "close again when the ledger has new credits; nothing was changed", 409),
    Reason("epoch_closing", "An epoch is being closed already", "wait for that one to end, then ask again", 409),
    Reason("folds_disagree", "Two independent computations of the epoch's root disagree", "propose nothing; keep the home as it is and report it", 500),
    Reason("leaf_falls", "An account would be promised less than before", "correct with new entries that leave no account below what was promised", 409),
    Reason("root_differs", "The root on chain is not the one of this home's last epoch", "use the chain this home was settled on, or restore the newest backup", 409),
    Reason("not_first_seen", "The text was seen before, so it earns no novelty", "nothing to do: the fetch itself was paid", 200),
    Reason("domain_cap", "This site or hosting network has had its share of the epoch's pay for new text", "nothing to do: the fetch itself was paid", 200),
    Reason("unranked_cap", "Sites that the network's list of known domains lacks have had their share of the epoch's pay for new text", "nothing to do: the fetch itself was paid", 200),
    Reason("by_dividends", "A verdict rests on this truth: the epoch's dividends pay for it", "nothing to do", 200),
    Reason("truth_unused", "The truth came after its verdict, so it earns nothing", "answer audit leases sooner", 200),
    Reason("personal_by_sales", "Personal data earns by the month of history, from sales and budgets, never for arriving", "nothing to do: `windrow consent pay` shows each month", 200),
    Reason("given_before", "This month of history was given before", "nothing: whoever gave it first is paid", 200),
    Reason("looks_made", "This month of history has marks of a program", "nothing where it was: else ask the operator which check it was", 200),
    Reason("too_few_items", "Fewer than 200 items of this month are left", "give more of the month, or leave it", 200),
    Reason("owner_cap", "One person earns at most a small share of each sum", "nothing: the rest stays for other months of history", 200),
    Reason("month_withdrawn", "Pending pay went back, as far as the month it was for was taken back", "nothing", 200),
    Reason("version_retired", "Somebody took back what this version held, so it is given out no more", "take the next version: who bought this one gets it", 410),
    Reason("wrong_target", "The result was made for another job, or for other items", "judge the job again as it was given out", 409),
    Reason("bad_proof", "The proof does not lead to the root", "fetch the epoch's tree again; report it if it stays wrong", 409),
    Reason("not_the_payer", "The order is not signed by the account that paid", "sign the order with the key of the paying account", 403),
    Reason("price_changed", "The price is higher than the limit given", "look at the quote and raise the limit, or do not buy", 409),
    Reason("bad_terms", "The terms are not of the vocabulary, or not those of the order", "see docs/market.md for what can be asserted", 400),
    Reason("terms_not_met", "The export does not meet the terms, so all of the price was given back", "see what was found; order under other terms, or buy without", 409),
    Reason("too_many_tries", "This buyer's terms failed too often today, so the order was given back unjudged", "order again tomorrow, or buy without terms", 429),
    Reason("not_judged", "The order was paid, and the market has not ended it: its price waits in the contract", "ask again with the same terms; after a day anyone can have it given back (docs/market.md)", 503),
    Reason("payment_refused", "The signed payment does not pay for this", "sign exactly what PAYMENT-REQUIRED asks for", 402),
    Reason("authorization_used", "The payer used or cancelled the authorization elsewhere, so the payment came to nothing", "nothing to do: the chain takes it no more", 409),
    Reason("authorization_expired", "The authorization's time was over before the payment was settled", "nothing to do: the chain takes it no more", 409),
    Reason("balance_gone", "The payer had not the money any more when the payment was to be made again", "nothing to do: the chain takes it no more", 409),
    Reason("already_bought", "The payer has the export by another sale, so this payment was not used", "nothing to do: nothing was taken", 409),
    Reason("spend_limit", "This would be above the limit set for the agent", "buy less, or let the owner of the key raise the limit", 403),
    Reason("order_file_busy", "Another command is at work on these standing orders", "wait for its end; cron starts it again", 409),
    Reason("order_failed", "A standing order could not be evaluated", "read what was said of it above; the others were evaluated", 500),
    Reason("agent_stopped", "The owner of the key has stopped this agent's buying", "only the owner can allow it again, by removing the file named", 403),
    Reason("unknown_payment", "There is no such payment for this export", "pay first; give the transaction's hash", 402),
)
# fmt: on


class WindrowError(Exception):
    """A refusal with a reason code. Raises KeyError when the code is not in `REASONS`."""

    def __init__(self, code: str, detail: str = "", **facts: Any) -> None:
        self.reason = REASONS[code]
        self.detail = detail
        self.facts = facts
        super().__init__(code, detail)

    @property
    def code(self) -> str:
        """The reason code."""
        return self.reason.code

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.reason.sentence}{detail}. Remedy: {self.reason.remedy}. [{self.code}]"

    def as_dict(self) -> dict[str, Any]:
        """The JSON body of the refusal: `error`, `sentence`, `detail`, `remedy` and any further facts."""
        return {
            "error": self.code,
            "sentence": self.reason.sentence,
            "detail": self.detail,
            "remedy": self.reason.remedy,
            **self.facts,
        }
