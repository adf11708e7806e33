-- The rows of docs_and_code: of what may be sold (as in web_text), the pages whose lines are program code, or a little of it
-- where the address says that the page is documentation.
WITH accepted AS (
    SELECT curated.*, count(*) OVER (PARTITION BY dup_cluster_id) AS cluster_size
    FROM curated JOIN sellable USING (contribution_id)
    WHERE verdict = 'accepted'
       OR (verdict = 'unaudited' AND vested >= getvariable('unaudited_vested'))
),
sold AS (
    SELECT *, list_filter(string_split(text, chr(10)), lambda line: trim(line) <> '') AS text_lines
    FROM accepted
    WHERE dup_kind = 'unique'
      AND training_allowed
      AND robots_state IN ('allowed', 'no_robots')
      AND len(coalesce(optout_signals, [])) = 0
      AND http_status BETWEEN 200 AND 299
      AND language <> 'und'
      AND language_score >= getvariable('language_score_min')
      AND length(text) >= getvariable('text_chars_min')
),
-- A line is code when it ends in a semicolon or a curly bracket, begins with a prompt, a keyword or a tag, assigns to its
-- first word, or holds a call or an arrow.
measured AS (
    SELECT *,
        len(list_filter(text_lines, lambda line: regexp_matches(
            line,
            '[;{}]\s*$'
            || '|^\s*(>>>|\$ |#include|import |from \S+ import |def |class |return |const |let |var |public |private )'
            || '|^\s*(function |<[/!?a-zA-Z])'
            || '|\w\([^)]*\)\s*[{;:]?\s*$'
            || '|^\S+ = \S+'
            || '|\w+\.\w+\(|::|->|=>'
        ))) / len(text_lines) AS code_line_share,
        regexp_matches(
            url, '^https?://(docs?|developers?|api|man)\.|/(docs?|documentation|reference|manual|api|man\d?)(/|$)'
        ) AS is_documentation
    FROM sold
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
    code_line_share,
    dropped_by
FROM measured
WHERE code_line_share >= getvariable('code_line_share_min')
   OR (is_documentation AND code_line_share >= getvariable('docs_code_line_share_min'))
ORDER BY seq
