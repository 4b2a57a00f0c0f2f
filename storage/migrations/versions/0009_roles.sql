-- Additions only: the previous release goes on working on this schema.

-- The probe may delete what its own presses left behind, and no other message.
CREATE FUNCTION forget_probe_messages(before_at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM notification_attempt t
    USING notification n JOIN alert a USING (alert_id)
    WHERE t.notification_id = n.notification_id AND a.probe AND n.created_at < before_at;
    DELETE FROM notification n USING alert a
    WHERE a.alert_id = n.alert_id AND a.probe AND n.created_at < before_at;
$$;
REVOKE ALL ON FUNCTION forget_probe_messages FROM PUBLIC;
COMMENT ON FUNCTION forget_probe_messages IS 'deletes the messages of the probe''s alerts that were written before an instant; the alerts and their history stay';
