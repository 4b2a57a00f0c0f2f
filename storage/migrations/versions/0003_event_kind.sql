-- Additions only: the previous release goes on working on this schema.

CREATE INDEX event_of_kind ON event (device_name, kind, measured_at DESC);
COMMENT ON INDEX event_of_kind IS 'when a button was last tested, when a device last said that its battery is low';
