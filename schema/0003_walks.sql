-- Streams without a delta are listed. A list of folders is walked from folder to folder: these are still to be listed.
CREATE TABLE walk (
  id        INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL REFERENCES stream (id) ON DELETE CASCADE,
  remote_id TEXT NOT NULL,                        -- of the folder
  link      TEXT,                                 -- nextLink of the page to go on with; NULL: the first one
  UNIQUE (stream_id, remote_id)
) STRICT;

-- So many lists in a row that should have shown the container did not: a single one is no proof.
ALTER TABLE container ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
