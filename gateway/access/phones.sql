-- The phone number the school holds for a guardian; `id` is the person. Only its last digits are ever compared or shown.
CREATE TABLE guardian_phone (
  id           TEXT PRIMARY KEY CHECK (length(id) = 16) REFERENCES person (id),
  phone_sealed BLOB NOT NULL,
  changed_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
