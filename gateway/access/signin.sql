-- How a member of staff signs in. The sign-in name is sealed like every name; the few there are, are compared in memory.
CREATE TABLE account (
  id             TEXT PRIMARY KEY REFERENCES person (id),
  name_sealed    BLOB NOT NULL,                        -- sign-in name: short, unaccented, unique
  password_hash  TEXT,                                 -- argon2id with its parameters (PHC string); NULL: none yet
  password_ms    INTEGER,                              -- when it was set
  totp_sealed    BLOB,                                 -- base32 secret of the second factor; NULL: off
  totp_step      INTEGER NOT NULL DEFAULT 0            -- newest 30 s step that opened something: none opens twice
) STRICT, WITHOUT ROWID;

-- Ten codes for whoever lost the phone: 80 random bits each, only a hash is here, gone once used.
CREATE TABLE recovery_code (
  code_hash BLOB PRIMARY KEY CHECK (length(code_hash) = 32),
  person    TEXT NOT NULL REFERENCES person (id)
) STRICT, WITHOUT ROWID;

-- Browsers in which a person signed in before: 256 random bits in a cookie, only a hash is here. They open nothing;
-- whoever brings one is not held up by the wrong passwords of strangers.
CREATE TABLE browser_mark (
  mark_hash  BLOB NOT NULL CHECK (length(mark_hash) = 32),
  person     TEXT NOT NULL REFERENCES person (id),
  used_ms    INTEGER NOT NULL,
  PRIMARY KEY (mark_hash, person)
) STRICT, WITHOUT ROWID;

-- Where a login came from: box, school or outside; '' for those from before this column.
ALTER TABLE login_session ADD COLUMN place TEXT NOT NULL DEFAULT '';
