-- What every dataset of pages must hold, whatever its recipe says: each statement must return no rows, else nothing is published.
-- `export` is what would be sold, `lake` what it is from, `sellable` what audits have let through. A condition on what is NULL
-- is neither true nor false: each is asked whether it is true, so that what nobody knows is not let through. Joins are LEFT
-- for the same reason: a row of which the lake says nothing has to fail, not to be passed over.

-- check: ids are unique
SELECT id, count(*) AS times FROM export GROUP BY id HAVING count(*) > 1;

-- check: one text of each cluster of duplicates
SELECT dup_cluster_id, count(*) AS times FROM export GROUP BY dup_cluster_id HAVING count(*) > 1;

-- check: no text twice
SELECT content_sha256, count(*) AS times FROM export GROUP BY content_sha256 HAVING count(*) > 1;

-- check: only what an audit accepted or nobody drew
SELECT id, verdict FROM export WHERE (verdict IN ('accepted', 'unaudited')) IS NOT TRUE;

-- check: nothing of an audit epoch under way, nothing withdrawn
SELECT id FROM export WHERE (id IN (SELECT contribution_id FROM sellable)) IS NOT TRUE;

-- check: what nobody audited has vested
SELECT export.id
FROM export LEFT JOIN sellable ON sellable.contribution_id = export.id
WHERE export.verdict = 'unaudited' AND (sellable.vested >= getvariable('unaudited_vested')) IS NOT TRUE;

-- check: nothing that robots.txt denies
SELECT id, url, robots_state FROM export WHERE (robots_state IN ('allowed', 'no_robots')) IS NOT TRUE;

-- check: nothing with an opt-out signal
SELECT id, url, optout_signals FROM export WHERE (len(optout_signals) = 0) IS NOT TRUE;

-- check: nothing that may not be used for training
SELECT export.id, lake.rights_reason
FROM export LEFT JOIN lake ON lake.contribution_id = export.id
WHERE lake.training_allowed IS NOT TRUE;

-- check: no personal data given under consent
SELECT id FROM export WHERE consent_receipt_id IS NOT NULL;

-- check: every row has text, a language, a date and an owner
SELECT id FROM export
WHERE (length(text) > 0 AND language <> 'und' AND fetched_at IS NOT NULL AND token_count > 0
   AND contributor_pseudonym IS NOT NULL AND length(content_sha256) = 64) IS NOT TRUE;

-- check: a row says of its fetch what the lake says
SELECT export.id
FROM export LEFT JOIN lake ON lake.contribution_id = export.id
WHERE export.verdict IS DISTINCT FROM lake.verdict
   OR export.robots_state IS DISTINCT FROM lake.robots_state
   OR export.optout_signals IS DISTINCT FROM coalesce(lake.optout_signals, [])
   OR export.content_sha256 IS DISTINCT FROM lake.text_sha256
   OR export.token_count IS DISTINCT FROM lake.token_count
   OR epoch_ms(export.fetched_at) IS DISTINCT FROM lake.fetched_at_ms;

-- check: unredacted text is the signed text
SELECT id FROM export WHERE (pii_redactions > 0 OR sha256(text) = content_sha256) IS NOT TRUE;
