-- Beside what every dataset of counts must hold (aggregator/publish/must_hold_counts.sql), each statement must return no rows,
-- else nothing is published. `export` is what would be sold, `counted` what it is from.

-- check: nobody is named
SELECT id FROM export WHERE pii_redactions <> 0;
