-- name: by_tag
SELECT rid FROM run_tag JOIN run USING (rid) WHERE tag = :tag

-- name: by_index
-- Reads only the index; what fits is sorted afterwards.
SELECT rid FROM run INDEXED BY run_status WHERE true

-- name: by_rid
-- Backwards over the table until the page is full.
SELECT rid FROM run NOT INDEXED WHERE true
