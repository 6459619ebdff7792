-- cameras.db, continued: the page a copy was measured with (`recorder.exportbook`). A newer program may bring another;
-- the bytes of a finished copy stay what its manifest says. Sealed like the parts beside it.
ALTER TABLE export_job ADD COLUMN page BLOB;
