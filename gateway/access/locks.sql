-- How often an account's password was reset: a change that began before a reset must not undo it.
ALTER TABLE account ADD COLUMN resets INTEGER NOT NULL DEFAULT 0;
