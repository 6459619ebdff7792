-- A token for a player that cannot sign in. 256 random bits; only its SHA-256 is here.
CREATE TABLE player_token (
  id           TEXT PRIMARY KEY CHECK (length(id) = 16),
  token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
  person       TEXT NOT NULL REFERENCES person (id), -- staff; whose rights it uses, never more
  label_sealed BLOB NOT NULL,                        -- which screen it is for, as whoever made it wrote
  created_ms   INTEGER NOT NULL,
  expires_ms   INTEGER NOT NULL,
  ended_ms     INTEGER
) STRICT, WITHOUT ROWID;
