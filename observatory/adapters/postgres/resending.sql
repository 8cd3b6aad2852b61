-- Dead letters: who sends those of a topic again is alone with it.

-- name: only_one
SELECT pg_advisory_xact_lock(hashtextextended('dead letters of ' || $1, 0))
