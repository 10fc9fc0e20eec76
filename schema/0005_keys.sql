-- Where a container would like to be. `key` follows when everybody was listed: owners may have exchanged their names.
ALTER TABLE container ADD COLUMN wanted TEXT;                      -- NULL: its key
CREATE INDEX container_at_key ON container (at_key);
CREATE INDEX container_moving ON container (remote_id) WHERE wanted<>key;
