-- The rows of web_text: pages that an audit accepted, and those that nobody drew once their pay has vested; the first of
-- each cluster of duplicates, that nobody asked to keep out. `curated` holds every judged contribution, with the names
-- of the recipe's filters that drop it in `dropped_by`, and `sellable` those of closed audit epochs. The publisher leaves
-- out and counts what a filter drops, and adds `contributor_pseudonym` and `pii_redactions`.
WITH accepted AS (
    SELECT curated.*, count(*) OVER (PARTITION BY dup_cluster_id) AS cluster_size
    FROM curated JOIN sellable USING (contribution_id)
    WHERE verdict = 'accepted'
       OR (verdict = 'unaudited' AND vested >= getvariable('unaudited_vested'))
)
SELECT
    contribution_id AS id,
    text,
    url,
    strftime(epoch_ms(fetched_at_ms), '%Y-%m-%dT%H:%M:%SZ') AS date,
    language,
    language_score,
    token_count,
    'windrow-' || strftime(epoch_ms(fetched_at_ms), '%G-%V') AS dump,
    text_sha256 AS content_sha256,
    fetched_at_ms AS fetched_at,
    http_status,
    robots_state,
    coalesce(optout_signals, []) AS optout_signals,
    license_detected,
    dup_cluster_id,
    cluster_size AS dup_cluster_size,
    verdict,
    CAST(NULL AS VARCHAR) AS consent_receipt_id,
    dropped_by
FROM accepted
WHERE dup_kind = 'unique'
  AND training_allowed
  AND robots_state IN ('allowed', 'no_robots')
  AND len(coalesce(optout_signals, [])) = 0
  AND http_status BETWEEN 200 AND 299
  AND language <> 'und'
  AND language_score >= getvariable('language_score_min')
  AND length(text) >= getvariable('text_chars_min')
ORDER BY seq
