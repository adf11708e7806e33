-- Beside what every dataset of pages must hold (aggregator/publish/must_hold.sql), each statement must return no rows,
-- else nothing is published. `export` is what would be sold, `lake` what it is from.

-- check: every row has code
SELECT id, code_line_share FROM export
WHERE code_line_share IS NULL OR code_line_share < getvariable('docs_code_line_share_min') OR code_line_share > 1;
