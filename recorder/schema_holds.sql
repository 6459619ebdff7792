-- cameras.db, continued: the reason of a hold is free text about an incident (`recorder.holdreasons`).

-- Sealed with <state>/keys/recorder-seal.key, context 'hold.why:<public id>'; `why` is empty where it is set.
ALTER TABLE hold ADD COLUMN why_sealed BLOB;
