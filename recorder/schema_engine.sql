-- Which engine plays a camera's streams. 'pyav' is pinned by a person or by the probe at adoption, and never
-- chosen by a failure at run time: a hostile camera must not choose the weaker engine.
ALTER TABLE camera ADD COLUMN engine TEXT NOT NULL DEFAULT 'native' CHECK (engine IN ('native', 'pyav'));
-- What the probe saw our own engine fail with; empty if a person pinned it.
ALTER TABLE camera ADD COLUMN engine_why TEXT NOT NULL DEFAULT '';
