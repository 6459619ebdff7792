-- The audit by its hour, for the pages of a day; read out of the body like person and object.
CREATE INDEX audit_body_at ON audit_body (at_ms, seq);
-- And by whom it is about, where that is not its object.
CREATE INDEX audit_body_who ON audit_body (json_extract(body, '$.who'), seq) WHERE json_extract(body, '$.who') IS NOT NULL;

-- Whose data was erased. The bodies are blanked, the row that did it (audit_seq) lists them and is signed.
CREATE TABLE erasure (
  subject   TEXT PRIMARY KEY CHECK (length(subject) = 16), -- person or child
  kind      TEXT NOT NULL CHECK (kind IN ('person', 'child')),
  why       TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  audit_seq INTEGER NOT NULL REFERENCES audit (seq),
  clean     INTEGER NOT NULL DEFAULT 0 CHECK (clean IN (0, 1)) -- the file was written anew since, without the old bytes
) STRICT, WITHOUT ROWID;

-- One exception to "append-only": a body is blanked, in one form only, by a later row that lists its number.
DROP TRIGGER audit_body_no_update;
CREATE TRIGGER audit_body_no_update BEFORE UPDATE ON audit_body
WHEN NOT (
  NEW.seq = OLD.seq AND NEW.salt = zeroblob(16)
  AND json_extract(OLD.body, '$.what') IS NOT 'audit.erase' AND json_extract(OLD.body, '$.erased') IS NULL
  AND EXISTS (
    SELECT 1 FROM audit_body e, json_each(e.body, '$.rows') pair
    WHERE e.seq = (SELECT max(seq) FROM audit) AND e.seq > OLD.seq
      AND json_extract(e.body, '$.what') = 'audit.erase'
      AND NEW.body = '{"erased":' || e.seq || '}'
      AND OLD.seq BETWEEN json_extract(pair.value, '$[0]') AND json_extract(pair.value, '$[1]')
  )
)
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
