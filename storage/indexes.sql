-- An index made while others write.

-- name: wait_as_long_as_it_takes
SET lock_timeout = 0;

-- name: is_valid
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s);

-- name: remove
DROP INDEX CONCURRENTLY {index};

-- name: make
CREATE INDEX CONCURRENTLY {index} ON {on};

-- name: wait_briefly_again
RESET lock_timeout;
