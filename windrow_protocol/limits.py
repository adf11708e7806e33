"""Every bound in Windrow, in one place, with its unit last in its name.

Rules: a parser of anything untrusted takes its bound from here. Starting values come from the protocol's
reasoning; a change needs a line in `docs/adr/`.

Does not: hold what an operator tunes (that is configuration) nor money rates (`rewards/rates.py`).
"""

from __future__ import annotations

from typing import Final

# --- fetching -------------------------------------------------------------------------------------
FETCH_BODY_BYTES_MAX: Final = 5_000_000  # on the wire
FETCH_DECODED_BYTES_MAX: Final = 20_000_000
FETCH_RATIO_MAX: Final = 100
FETCH_TIME_S_MAX: Final = 20
FETCH_REDIRECTS_MAX: Final = 5
URL_CHARS_MAX: Final = 2_048
URL_INPUT_CHARS_MAX: Final = 8_192  # before tracking, fragment and the like are dropped
HOST_CHARS_MAX: Final = 253  # RFC 1035, 2.3.4
RANKED_DOMAINS_MAX: Final = 5_000_000
RANKED_FILE_BYTES_MAX: Final = 400_000_000
HOST_LABEL_CHARS_MAX: Final = 63
URL_PATH_DEPTH_MAX: Final = 32
ROBOTS_BYTES_MAX: Final = (
    1_000_000  # RFC 9309 asks for at least 500 KiB; the largest real one seen has 852,930
)
ROBOTS_LINE_BYTES_MAX: Final = 16_663  # what Google's parser keeps of one line
ROBOTS_CACHE_S: Final = 86_400
HOST_PACE_S_MIN: Final = 2.0  # one request per host, whatever the coordinator says
HOST_PACE_OWNER_S_MIN: Final = 0.1  # only for hosts the node's owner lists
BROWSER_IDLE_S_MAX: Final = 60
CHILD_MEMORY_BYTES_MAX: Final = 2_000_000_000
CHILD_PAGES_MAX: Final = 2_000  # a crawl child is replaced after so many leases
CHILD_IDLE_S_MAX: Final = 60  # and leaves when it has had nothing to do for so long
CHILD_SILENT_S_MAX: Final = 30  # no sign of life for so long means it hangs (a page that cannot be parsed)
CHILD_START_S_MAX: Final = 60  # from its start to its first word, on a busy machine
CHILD_DEATHS_MAX: Final = 3  # a lease that was open at so many deaths of the child is left unanswered
CHILD_LINE_BYTES_MAX: Final = 48_000_000  # one message between node and child
FETCH_RATIO_FLOOR_BYTES: Final = 1_000_000  # below this decoded size no ratio makes a bomb
ROBOTS_REDIRECTS_MAX: Final = 5  # RFC 9309, 2.3.1.2
ROBOTS_RETRY_S: Final = 600  # an unreachable robots.txt is asked for again after so long
ROBOTS_HOSTS_MAX: Final = 5_000
CRAWL_DELAY_S_MAX: Final = 60
RETRY_AFTER_S_MAX: Final = 86_400
PACE_WAIT_S_MAX: Final = 180
SUBRESOURCES_PER_PAGE_MAX: Final = 48
ADDRESS_PACE_SHARE: Final = 4  # all names of one address together: at most so many requests in one pace
SUBRESOURCE_PACE_SHARE: Final = 10  # sub-resources of one page follow each other at a tenth of the pace
RENDER_SETTLE_S_MAX: Final = 10
EGRESS_HEAD_BYTES_MAX: Final = 65_536
EGRESS_CONNECTIONS_MAX: Final = 64
EGRESS_HEAD_TIME_S_MAX: Final = 10
OWNER_DOMAINS_MAX: Final = 500_000  # in one category of the node's owner, 8 bytes each
LINE_LOG_FILE_BYTES_MAX: Final = 64_000_000

# --- messages -------------------------------------------------------------------------------------
CLOCK_SKEW_MS_MAX: Final = 120_000
SIGNATURE_LIFE_MS: Final = 120_000
JWS_CHARS_MAX: Final = 16_384
REQUEST_BYTES_MAX: Final = 65_536  # any signed JSON request that is not a batch
BATCH_WIRE_BYTES_MAX: Final = 8_000_000
BATCH_DECODED_BYTES_MAX: Final = 32_000_000
BATCH_RECORDS_MAX: Final = 200
BATCHES_PER_COMMIT_MAX: Final = 16  # submissions that share one fsync and one transaction
TEXT_BYTES_MAX: Final = 2_000_000
HOST_LISTS_MAX: Final = 64  # that an operator keeps
TOKEN_PIECES_MAX: Final = 262_144  # whose number of tokens is remembered
TITLE_CHARS_MAX: Final = 512
AUTHORS_MAX: Final = 10  # that a page names
AUTHOR_CHARS_MAX: Final = 100
OPTOUT_SIGNALS_MAX: Final = 32
OPTOUT_VALUE_CHARS_MAX: Final = 160
OPTOUT_FIELD_CHARS_MAX: Final = 8_192  # one header field or robots.txt statement
TDMREP_BYTES_MAX: Final = 512_000
NONCE_CHARS_MAX: Final = 64

# --- leases ---------------------------------------------------------------------------------------
LEASES_PER_REQUEST_MAX: Final = 50
LEASE_LIFE_MS: Final = 600_000
LEASE_ATTEMPTS_MAX: Final = 4
BROWSER_MARKS_PER_DAY_MIN: Final = 10  # pages that a node may say need a browser; more as it answers more
BROWSER_MARKS_PPM_MAX: Final = 100_000  # of its answers of a day; two in a hundred pages are so
LEASES_OUTSTANDING_MAX: Final = 200
LEASES_NEWCOMER_MAX: Final = 20  # held at once by a node that nobody knows yet
ANSWERS_PER_LAPSE_UNHEARD: Final = 4  # of a day; beside LEASES_NEWCOMER_MAX such lapses, which cost nothing
LEASE_WORTH_SENDING_MS: Final = 60_000  # left of its life; what has less does not come again
OFFER_CHARS_MAX: Final = 64
PACE_MEMORY_MS: Final = 7_200_000  # a node holds at most what it answered in two hours
LEASE_MEMORY_MS: Final = 86_400_000  # so long an expired lease counts against its node
CANDIDATE_HOSTS_MAX: Final = 64  # looked at for one request for leases
CANDIDATES_PER_HOST_MIN: Final = 8  # more where fewer hosts have open pages
CRAWL_DELAY_DOUBTS_MAX: Final = (
    3  # reports in a row that a host's crawl-delay is shorter, before that is believed
)
HOST_BACKOFF_S_MAX: Final = 300  # between requests to a host that keeps failing
HOST_PAUSE_S_MAX: Final = 3_600  # a longer Retry-After is asked about again, by one request, after so long
HOST_WITHHELD_UNTIL_MS: Final = 2**53  # the pause of a host whose publisher asked to be left alone
WITHHELD_NAMED_MAX: Final = 200  # hosts named in one SQL condition; SQLite allows expressions 1,000 deep
HOST_FIGURES_PAGES_MAX: Final = 20_000  # looked at for one host's figures
TAKEDOWN_SWEEP_MAX: Final = 500  # documents erased in one transaction
TAKEDOWN_FILE_BYTES_MAX: Final = 4_096  # of the file by which a publisher shows that a host is theirs
TAKEDOWN_FILE_S_MAX: Final = 20  # to fetch it
REASON_CHARS_MAX: Final = 1_000  # what an operator writes about an order on a host
NODE_SILENT_MS: Final = 86_400_000  # a node that asked for nothing for so long gives its place away
NODE_SEEN_STEP_MS: Final = 3_600_000  # a node that asks and is given nothing is noted so often
REQUESTS_FOR_WORK_A_SECOND: Final = (
    300  # of all nodes that wait for work; they are told to come again accordingly
)
ASK_AGAIN_S_MAX: Final = 3_600  # the longest that a node waits because a coordinator says so
HOUSE_AWAKE_STEP_MS: Final = (
    60_000  # a house at work says so this often, to know after a start how long it was away
)
NODES_QUEUED_PER_PREFIX_MAX: Final = 100
LEASE_REQUESTS_PER_COMMIT_MAX: Final = 16
NONCES_HEARD_MAX: Final = 200_000  # of requests that changed nothing, some 130 bytes each in memory
YOUNG_RIVAL_MS: Final = 600_000  # a prefix takes part in the lottery for so long after its young nodes asked
GATES_MAX: Final = 64
GATE_NODES_KNOWN_MAX: Final = 50_000  # that a gate remembers, some 200 bytes each
GATE_HELD_BYTES_MAX: Final = 256_000_000  # of batches that wait in a gate for the writer's answer
GATE_HOLD_S_MAX: Final = 30  # that a gate holds a request back while the writer is away
REQUESTS_PER_MINUTE_MAX: Final = 3_000  # of one node
REQUEST_COUNTS_MAX: Final = 100_000  # nodes whose requests are counted at once
DELEGATIONS_PER_MINUTE_MAX: Final = 60  # from one address: recovering a wallet's signature takes milliseconds
DELEGATION_LIFE_MS_MAX: Final = 366 * 86_400_000

# --- verification (windrow protocol, "Audit") -----------------------------------------------------
SHINGLE_WORDS: Final = 5
MATCH_SIMILARITY_MIN: Final = 0.60
TRUTH_AGREEMENT_MIN: Final = 0.70
MISMATCH_MARGIN: Final = 0.25
TRUTHS_PER_AUDIT_MAX: Final = 3
TRUTHS_OF_A_PART_MAX: Final = 7  # where a text is a part of what a truth shows, or has that as a part
PART_SHARE_MIN: Final = 0.80  # of a text's shingles that are in another: then it is a part of that
NEW_SHINGLES_MIN: Final = 20  # fewer shingles new since an earlier version prove nothing about a copy of it
AS_SERVED_SIMILARITY: Final = 0.95  # so like a truth, a text is right content, whatever it lacks
OWN_SHARE_MIN: Final = 0.30  # of what is a page's own, that its text has at least
NEIGHBOUR_SHARE_MIN: Final = 0.50  # of what is the neighbour's own, that makes a text the neighbour's
NEIGHBOUR_SHINGLES_MIN: Final = 5  # of those it has at least, as one word within a text is in five
NEIGHBOURS_SEEN_MAX: Final = 100  # pages of the host, added before and after one, whose sizes are looked at
NEIGHBOURS_READ_MAX: Final = (
    12  # of these, whose texts are read: nearest in size to the text, and to the truth
)
TRUTH_ATTEMPTS_MAX: Final = 3
BROWSER_WAIT_MS: Final = 21_600_000  # a truth waits so long while no validator has the browser that it needs
TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX: Final = 9  # where not every operator failed, up to three of them
AUDIT_VALUE_BYTES_MAX: Final = 50_000  # of one text that count for what it may be worth, as its pay is capped
DRAW_ENTRIES_MAX: Final = 1_000  # of the audit log in one answer, and drawn ones in one message
DRAWS_BYTES_MAX: Final = 131_072  # a message that names so many leases, drawn and doubled
AUDIT_ROW_BYTES_MAX: Final = 80_000_000  # a line of a published audits file: up to ten texts
AUDIT_FILE_BYTES_MAX: Final = 20_000_000_000
AUDIT_HEADER_BYTES_MAX: Final = 64_000_000
DISCLOSURES_MAX: Final = 500
APPEALS_OPEN_MAX: Final = 10  # of one node at a time
SHARED_WITH_PAGE_MIN: Final = 0.10  # what an earlier version of a page has in common with it at least
SECOND_LOOK_MS: Final = 86_400_000  # for how long fresh truths are waited for
SECOND_LOOK_TRUTHS_ASKED_MAX: Final = 6  # until three are there

# --- near-duplicates --------------------------------------------------------------------------------------------
NEAR_DUPLICATE_JACCARD_MIN: Final = 0.80
NEAR_DUPLICATE_CANDIDATES_MAX: Final = 64  # verified for one text, those that share most bands first
NEAR_DUPLICATE_POSTINGS_MAX: Final = 256  # earlier texts looked at in one band, the earliest first
SKETCH_BATCH_BYTES_MAX: Final = 4_000_000  # of texts that are sketched together
SKETCH_TEXTS_MAX: Final = 256  # stored texts that are read and sketched together when an index is made again
PAGE_LINES_MAX: Final = 512  # of one page that are looked at for boilerplate, its first and last ones
HOST_BLOCKS_MAX: Final = 2_048  # lines and paragraphs remembered of one host, 20 bytes each
HOST_BLOCKS_KEPT: Final = 1_024  # of them when there are too many
VERIFIED_BYTES_MAX: Final = 16_000_000  # of candidates' texts whose shingles are in memory at once

# --- exports --------------------------------------------------------------------------------------
ROW_TOKENS_MAX: Final = 8_192
SHARD_BYTES_MAX: Final = 1_000_000_000
ROW_GROUP_BYTES_MAX: Final = 128_000_000
EXPORT_FILES_MAX: Final = 100_000
PAGE_CHAIN_WAIT_S: Final = 2.0  # so long the page of a version waits for a chain that is silent
SEARCH_CHARS_MAX: Final = 200  # words to find a dataset by
SAMPLE_ROWS: Final = 10
SAMPLE_TEXT_CHARS_MAX: Final = 20_000  # the free sample takes real rows no longer than this
ORDER_LIFE_S_MAX: Final = 600  # a buyer's signed order may be used for so long
DOWNLOAD_TOKEN_LIFE_MS: Final = (
    3_600_000  # a download may go on for so long before a new (free) order is needed
)
TERMS_BYTES_MAX: Final = 16_000  # what a buyer asserts of an export
TERMS_ENTRIES_MAX: Final = 64  # languages, columns or licences named there
JUDGEMENTS_PER_DAY_MAX: Final = 3  # orders of one buyer that may fail their terms
JUDGEMENT_MARGIN_S: Final = (
    120  # an order is judged this long before it can be given back, so a sale can still follow
)
JUDGEMENT_MEMORY_BYTES_MAX: Final = (
    1_000_000_000  # what holding terms against an export may use; more is spilled
)
PAYMENT_HEADER_CHARS_MAX: Final = 8_000  # an x402 payment in a header
PAYMENT_LIFE_S_MAX: Final = 600  # an x402 payment may be valid for so long
PRICES_MAX: Final = 16  # assets besides the network's own that one version has a price in
VOID_PAYMENTS_KEPT_MS: Final = 90 * 86_400_000  # what came of a payment that came to nothing

# --- SQL from people ------------------------------------------------------------------------------
SQL_CHARS_MAX: Final = 20_000
SQL_TIME_S_MAX: Final = 10
SQL_ROWS_MAX: Final = 100_000
SQL_MEMORY_BYTES_MAX: Final = 512_000_000

# --- bridge ---------------------------------------------------------------------------------------
NATIVE_MESSAGE_BYTES_MAX: Final = 1_048_576  # Chromium's own bound for messages to the browser
NATIVE_MESSAGE_SKIP_BYTES_MAX: Final = 67_108_864  # a longer frame is noise, not a message: the host ends
REDACTION_PASSES_MAX: Final = 16
CONSENT_ITEMS_MAX: Final = 100
CONSENT_RETENTION_DAYS_MAX: Final = 3_650
BRIDGE_PENDING_MAX: Final = 1_000
BRIDGE_ANSWER_WAIT_S: Final = 10
PAIRING_CODE_MS: Final = 120_000  # a code that was not used by then pairs nothing
PAIRING_TRIES_MAX: Final = 5  # wrong codes before the right one is void too
PAIRED_MAX: Final = 16
LOOPBACK_WAIT_S: Final = 30  # for a connected browser to say who it is
LOOPBACK_CONNECTIONS_MAX: Final = 16
OWN_ITEMS_MIN: Final = 10  # of one donation that nobody else gives alike
OWN_WORDS_CHARS_MIN: Final = 200  # of an export's words that nobody else writes alike
AMOUNT_CHARS_MAX: Final = 32  # of a sum of money as it leaves
DRAFTS_MAX: Final = 5_000  # items put aside on a person's disk to be looked through
DRAFT_TEXT_CHARS_MAX: Final = 200_000  # of one of them
MASK_WORD_CHARS_MAX: Final = 200
UNDO_S_MAX: Final = 86_400  # how long what was sent may wait for a change of mind

# --- storage
SEGMENT_BYTES_MAX: Final = 256_000_000
SEGMENT_RECORD_BYTES_MAX: Final = 40_000_000
IMPORT_DOCUMENTS_MAX: Final = 200  # made durable together
IMPORT_BATCH_BYTES_MAX: Final = 8_000_000  # of their texts; one text may be larger
WARC_BLOCK_BYTES_MAX: Final = 25_000_000  # of one record
WARC_HEADER_BYTES_MAX: Final = 1_000_000  # of one record; beyond it the file's structure is lost
WARC_DAMAGES_MAX: Final = 100  # places of a file that cannot be read
WARC_FALSE_STARTS_MAX: Final = 10_000  # behind one of them: a member's first bytes, and no record
WARC_DEATHS_MAX: Final = 100  # of the process that reads a file
LAKE_GROUP_ROWS_MAX: Final = 4_096  # of a row group
LAKE_GROUP_BYTES_MAX: Final = 16_000_000  # of a row group in memory; a single row may be larger
LAKE_FILE_BYTES_MAX: Final = 512_000_000  # files of at least half that size are not merged any more
LAKE_MERGE_FILES: Final = 8  # files of one size that become one
LAKE_SNAPSHOT_KEEP_MS: Final = 86_400_000
SQL_SPARE_IDLE_S: Final = 600  # how long a process for the next question waits for it
VIEW_BLOCK_GROUP_ROWS: Final = 131_072  # of a row group of the copies that questions read
VIEW_BLOCK_KEEP_MS: Final = 60_000  # somebody who was told of a file opens it by then

# --- chain ----------------------------------------------------------------------------------------
BLOCK_GAS_MAX: Final = 30_000_000
TX_BYTES_MAX: Final = 131_072  # what other nodes take
RPC_REQUEST_BYTES_MAX: Final = 1_048_576
RPC_BATCH_MAX: Final = 100
RPC_BRACKETS_MAX: Final = 10_000  # nesting a parser's stack survives
RPC_LOGS_MAX: Final = 10_000
RPC_PROVEN_WORDS_MAX: Final = 64  # of one account's storage, in one request for proofs
RPC_TIME_S_MAX: Final = 30
RPC_CONNECT_S_MAX: Final = 5  # where packets vanish; a house that is told to stop waits no longer for it
RECEIPT_WAIT_S_MAX: Final = 180
LOG_BLOCKS_MAX: Final = 5_000  # events are asked for in ranges of blocks
HEADER_BYTES_MAX: Final = (
    8_192  # of an encoded block header; today's are some 650, extra data is what grows them
)
TRIE_NODE_BYTES_MAX: Final = 1_024  # a full branch has 532 bytes and what lies in it
TRIE_PROOF_NODES_MAX: Final = 65  # a key has 64 half bytes
SAVED_ROOT_BYTES_MAX: Final = 400_000  # code may have 24,576 bytes, and each proof 65 nodes
CLAIM_PROOF_HASHES_MAX: Final = 64  # the contract's own bound
CLAIM_GAS_MAX: Final = 400_000
CLAIM_FEE_WEI_MAX: Final = 10**16  # what a relayer spends on one claim at most
SUBMISSION_GRACE_MS: Final = 30_000  # after a lease has ended, for an answer already on its way
PERSONAL_BYTES_MAX: Final = 8_000_000
PERSONAL_NEVER_CAME_MAX: Final = 1_000  # of a node, taken back before they came; each stands on a public list
PERSONAL_PAGE_BYTES_MAX: Final = 32_000_000  # of one answer to a person who asks what is held on them
PERSONAL_PAGES_MAX: Final = 10_000
FINGERPRINT_MS: Final = 365 * 86_400_000  # for so long nobody else can give what a person took back

# --- rewards --------------------------------------------------------------------------------------
ACCOUNTING_BATCH_MAX: Final = 200  # contributions priced in one transaction
PASSED_AUDITS_KEPT: Final = 64  # of a node, the latest; no network's `vest_audits` is more
ROYALTY_OWNERS_MAX: Final = 1_000_000  # payout addresses among which one sale is split
TREE_COMPILED_LEAVES_MIN: Final = 20_000  # smaller trees are built before the kernels are loaded
SETTLEMENT_POLL_S: Final = 0.5  # before a refused step is tried again
SETTLEMENT_WAIT_S_MAX: Final = 60  # between two looks at the chain's time while a timelock runs
SETTLE_DEPTH_BLOCKS: Final = (
    12  # blocks that lie on what counts as settled, where an operator says nothing else
)
SETTLE_DEPTH_BLOCKS_MAX: Final = 120  # nodes keep the states of some 128 blocks, no more
CLAIM_RETRY_MS_MIN: Final = 5_000  # after a claim that failed, for the same account
CLAIMS_WAITING_MAX: Final = 100  # claims that wait for the relayer; more are told to come back
ACCOUNT_ENTRIES_MAX: Final = 500  # rows of one answer of GET /v1/accounts/{payout}/entries
OPERATOR_BYTES_MAX: Final = 64_000_000
BACKUP_LIST_BYTES_MAX: Final = 256_000_000  # of the list of a backup's files
BACKUP_FILES_MAX: Final = 1_000_000

# --- the node and its coordinator
COORDINATOR_ANSWER_BYTES_MAX: Final = 16_000_000
COORDINATOR_TIMEOUT_S: Final = 30.0
COORDINATOR_TRIES_MAX: Final = 4
OUTBOX_BYTES_MAX: Final = 200_000_000
SQL_ANSWER_BYTES_MAX: Final = 64_000_000

# --- the node's dashboard
DASHBOARD_LINK_LIFE_MS: Final = 600_000  # a link that was not used by then lets nobody in
DASHBOARD_LINKS_MAX: Final = 1_000  # used links that are remembered
DASHBOARD_SESSIONS_MAX: Final = 16  # browsers let in at a time; the longest known leaves first
DASHBOARD_CONNECTIONS_MAX: Final = 32
DASHBOARD_BODY_BYTES_MAX: Final = 4_096
DASHBOARD_TEXT_BYTES_MAX: Final = (
    2_000_000  # of a form with an edited text in it, from a browser with a session
)
DASHBOARD_DRAFTS_SHOWN: Final = 50  # items of one page of the review
CARRIER_WAIT_S: Final = 30  # before the node looks again whether a donation or a withdrawal waits
DASHBOARD_READ_S_MAX: Final = 5  # for a whole request
DASHBOARD_WRITE_S_MAX: Final = 30  # for a reader to take one piece of the answer
DASHBOARD_LOG_ROWS_MAX: Final = 200
DASHBOARD_TAIL_BYTES_MAX: Final = 400_000
DASHBOARD_ACCOUNT_AGE_MS: Final = 60_000  # the coordinator is asked again about the account after so long
DASHBOARD_ACCOUNT_WAIT_S: Final = 3  # a page waits so long for that answer
DASHBOARD_RECEIPTS_MAX: Final = (
    20_000  # of the newest, searched for the pages that an account's rows are about
)

# --- the operator's console
SIGN_IN_CHARS_MAX: Final = 4_000  # of the text that a wallet signs
SIGN_IN_LIFE_MS: Final = 300_000  # from its making to its use
CONSOLE_LINK_LIFE_MS: Final = 120_000  # of a one-use link that a command prints
CONSOLE_USED_MAX: Final = 10_000  # used nonces and links that are remembered
CONSOLE_SESSION_LIFE_MS: Final = 12 * 3_600_000
CONSOLE_SESSION_IDLE_MS: Final = 3_600_000
CONSOLE_SESSION_RENEW_MS: Final = 900_000  # a session in use gets a new cookie after so long
CONSOLE_SESSION_GRACE_MS: Final = (
    60_000  # for which the cookie before it still counts, for requests under way
)
CONSOLE_SESSIONS_MAX: Final = 16  # of one account; the oldest ends first
CONSOLE_TOKEN_LIFE_DAYS_MAX: Final = 365
CONSOLE_TOKENS_MAX: Final = 50  # of one account
CONSOLE_QUESTIONS_MAX: Final = 500  # saved ones
CONSOLE_NAME_CHARS_MAX: Final = 80
CONSOLE_AT_ONCE: Final = 2  # questions that run at a time, of all sessions and tokens
CONSOLE_LOOK_S: Final = 1.0  # so often it is asked, while a question runs, whether its asker is still in
CONSOLE_WAITING_MAX: Final = 8  # further ones that wait
CONSOLE_ROWS_MAX: Final = 5_000  # of an answer that is shown
CONSOLE_SHOWN_BYTES_MAX: Final = 8_000_000  # of such an answer
CONSOLE_ANSWERS_MAX: Final = 8  # that are kept for paging
SQL_STREAM_TIME_S_MAX: Final = 60  # of an answer that is sent while it is made
SQL_STREAM_BYTES_MAX: Final = 512_000_000

# --- exports that a person imports
IMPORT_MEMBERS_MAX: Final = 200_000  # files looked at in one archive or folder
IMPORT_DIRECTORY_BYTES_MAX: Final = 64_000_000  # the list of contents of a ZIP archive
IMPORT_DEPTH_MAX: Final = 32  # folders within folders
IMPORT_MEMBER_BYTES_MAX: Final = 4_000_000_000  # of one file, unpacked
IMPORT_TOTAL_BYTES_MAX: Final = 16_000_000_000  # of everything that is read of one export, unpacked
IMPORT_RATIO_MAX: Final = 200  # unpacked to packed; real exports stay below 40
IMPORT_RATIO_FLOOR_BYTES: Final = 32_000_000  # below this unpacked size no ratio makes a bomb
IMPORT_ITEMS_MAX: Final = 5_000_000
IMPORT_HEAD_BYTES: Final = 65_536  # what a format is recognised by
IMPORT_RECORD_BYTES_MAX: Final = 16_000_000  # of one token, row or cell
IMPORT_RECORD_NODES_MAX: Final = 200_000  # values in one JSON record
IMPORT_JSON_DEPTH_MAX: Final = 64
IMPORT_NAME_CHARS_MAX: Final = 256
IMPORT_REPEATS_REMEMBERED: Final = 4_096  # ids of the last items, to number those that are equal
IMPORT_DATABASE_STEPS_MAX: Final = 20_000_000_000  # of SQLite's machine for one database

# --- whether a month of somebody's history was made up, or given before (ADR 0045)
HISTORY_ITEMS_MIN: Final = 200  # in a month that is judged
HISTORY_BURSTINESS_MIN: Final = 0.2
HISTORY_SAME_GAP_SHARE_MAX: Final = 0.10
HISTORY_NIGHT_SHARE_MAX: Final = 0.08  # of the hours in use, in the quietest five; spread evenly 0.21
HISTORY_ROUND_SHARE_MAX: Final = 0.20
HISTORY_NEW_HOSTS_SHARE_MAX: Final = 0.80  # different hosts to visits
HISTORY_HOST_EVENNESS_MAX: Final = 0.95
HISTORY_RUN_ITEMS: Final = 6
HISTORY_COPIED_SHARE_MAX: Final = 0.30
HISTORY_SHINGLE_ITEMS: Final = 3  # different addresses in a row that make one digest
HISTORY_KNOWN_SHARE_MAX: Final = 0.20
HISTORY_ITEMS_MAX: Final = 20_000  # of one month that is judged; what is beyond it is left to the next try
HISTORY_TRIES_MAX: Final = 3  # for one person's month: who may try without end finds out what passes
HISTORY_DAY_VISITS_MAX: Final = 80  # of one day that count
HISTORY_MONTH_VISITS: Final = 2_000  # that make a full month: 25 days with as many as count
HISTORY_TAKEN_FREE_PPM: Final = 100_000  # of a month, taken back at no cost to its pending pay
BUDGET_MONTH_PARTS_MAX: Final = (
    1_000  # of `month_wei_max`, less than one of which no budget pays a full month
)
HISTORY_SPAN_MS: Final = 600_000  # in which two months' visits coincide (ADR 0060)
HISTORY_STREAM_LIFT_MIN: Final = 2.5  # coincidences of one stream, to those of the same people on other days
HISTORY_STREAM_SIGMAS_MIN: Final = 10.0  # and how far above them, in standard deviations
HISTORY_STREAM_OVERLAP_MIN: Final = 0.5  # or: of what could coincide beyond habit, the part that does
HISTORY_COMPARED_MAX: Final = 20_000  # others' months that one month is compared with, the newest
STATUS_MONTHS_MAX: Final = 24  # months of history that a person is shown at a glance
MONTHS_ASKED_MS_MIN: Final = 3_600_000  # between a node's questions about them
PRIVACY_PEOPLE_MIN: Final = (
    5  # of any group in an export about people; a recipe may ask for more, never for fewer
)
PRIVACY_HOSTS_MAX: Final = 20  # of one person and month that count in aggregates; drawn where there are more
PRIVACY_DELTA: Final = (
    1e-8  # that an aggregate says of a group that is there at all, although one person is all of it
)
PRIVACY_EPSILON_MICRO_MAX: Final = 4_000_000  # of one person in all answers together; 4.0, never given back
SAME_INTERESTS_MIN: Final = (
    10  # items of a month that two people have alike before one is somebody else's copy
)
DONATED_ROWS_MAX: Final = 2_000_000  # visits that one export of them is built from, in memory
HISTORY_QUIET_MS: Final = 86_400_000  # a month is judged when nothing was added to it for so long
HISTORY_MONTHS_AT_ONCE: Final = 16  # judged in one round of work, so that nothing else waits long
