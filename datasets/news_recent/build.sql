-- The rows of news_recent: of what may be sold (as in web_text), the pages of the last weeks that are news by their address
-- or by the operator's list of hosts. Recent is counted back from the newest fetch in the lake, never from today.
WITH accepted AS (
    SELECT curated.*, count(*) OVER (PARTITION BY dup_cluster_id) AS cluster_size
    FROM curated JOIN sellable USING (contribution_id)
    WHERE verdict = 'accepted'
       OR (verdict = 'unaudited' AND vested >= getvariable('unaudited_vested'))
),
newest AS (
    SELECT max(fetched_at_ms) AS newest_ms, epoch_ms(max(fetched_at_ms))::DATE AS newest_day FROM lake
),
named AS (
    SELECT *,
        regexp_extract(
            url,
            '[/=_-]((?:19|20)\d\d)[/_-]?(0[1-9]|1[0-2])[/_-]?(0[1-9]|[12]\d|3[01])(?:\D|$)',
            ['year', 'month', 'day']
        ) AS found,
        regexp_matches(url, '^https?://news\.|/(news|nachrichten|actualites?|noticias|aktuelles)/') AS says_news
    FROM accepted
),
dated AS (
    SELECT *, try_cast(found.year || '-' || found.month || '-' || found.day AS DATE) AS day FROM named
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
    strftime(day, '%Y-%m-%d') AS published_on,
    dropped_by
FROM dated, newest
WHERE dup_kind = 'unique'
  AND training_allowed
  AND robots_state IN ('allowed', 'no_robots')
  AND len(coalesce(optout_signals, [])) = 0
  AND http_status BETWEEN 200 AND 299
  AND language <> 'und'
  AND language_score >= getvariable('language_score_min')
  AND length(text) >= getvariable('text_chars_min')
  AND fetched_at_ms >= newest_ms - getvariable('age_days_max') * 86400000::BIGINT
  AND (day IS NOT NULL OR says_news OR list_contains(host_lists, 'news'))
  AND (day IS NULL OR day BETWEEN newest_day - getvariable('age_days_max')::INTEGER AND newest_day + 1)
QUALIFY row_number() OVER (PARTITION BY url ORDER BY len(dropped_by) > 0, fetched_at_ms DESC, seq DESC) = 1
ORDER BY seq
