-- Where a camera's ONVIF device service is, as learned at adoption; a camera of before that is spoken to by guess.
-- Path of the device service; empty: not known, the standard one is tried.
ALTER TABLE camera ADD COLUMN onvif_path TEXT NOT NULL DEFAULT '';
-- Whether that port speaks TLS; NULL: not known, the number of the port tells.
ALTER TABLE camera ADD COLUMN onvif_tls INTEGER CHECK (onvif_tls IN (0, 1));
