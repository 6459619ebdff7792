-- Vice-principals, and what a guardian is to the child as a code. A CHECK of SQLite cannot be changed: the table is made
-- anew under its own name (which other tables refer to), inside the migration's transaction.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE person_before AS SELECT * FROM person;
DROP TABLE person;
CREATE TABLE person (
  id          TEXT PRIMARY KEY CHECK (length(id) = 16),
  role        TEXT NOT NULL CHECK (role IN ('principal', 'vice_principal', 'teacher', 'guardian', 'observer', 'authority_it', 'installer')),
  disabled    INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  name_sealed BLOB NOT NULL,
  created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO person (id, role, disabled, name_sealed, created_ms)
  SELECT id, role, disabled, name_sealed, created_ms FROM person_before;
DROP TABLE person_before;

-- What guardians were called so far was free text; what is no code becomes one.
UPDATE guardian SET kind = CASE lower(trim(kind))
  WHEN 'mẹ' THEN 'mother' WHEN 'me' THEN 'mother' WHEN 'mother' THEN 'mother'
  WHEN 'bố' THEN 'father' WHEN 'bo' THEN 'father' WHEN 'cha' THEN 'father' WHEN 'ba' THEN 'father'
  WHEN 'father' THEN 'father'
  WHEN 'ông' THEN 'grandfather' WHEN 'ong' THEN 'grandfather' WHEN 'bà' THEN 'grandmother'
  WHEN 'parent' THEN 'parent' ELSE 'other' END;
CREATE TRIGGER guardian_kind_insert BEFORE INSERT ON guardian
WHEN new.kind NOT IN ('mother', 'father', 'grandmother', 'grandfather', 'relative', 'legal_guardian', 'parent', 'other')
BEGIN
  SELECT RAISE (ABORT, 'no kind of guardian');
END;
CREATE TRIGGER guardian_kind_update BEFORE UPDATE OF kind ON guardian
WHEN new.kind NOT IN ('mother', 'father', 'grandmother', 'grandfather', 'relative', 'legal_guardian', 'parent', 'other')
BEGIN
  SELECT RAISE (ABORT, 'no kind of guardian');
END;
