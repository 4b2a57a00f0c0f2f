-- Additions only: the previous release goes on working on this schema.
--
-- What Grafana reads. A view shows its columns by the rights of whoever migrated: the group role anju_dashboards gets USAGE on
-- this schema and SELECT on its views, and nothing of public (docs/dashboards.md). No view has the name of a person or a home,
-- a number, an address, a message's text or a remark. `area_ids` are the areas a row belongs to, 0 being the site.

CREATE SCHEMA dashboard;
COMMENT ON SCHEMA dashboard IS 'views for dashboards: no names, no numbers, no texts that people wrote';

CREATE VIEW dashboard.kind AS
    SELECT kind, said FROM (VALUES
        ('sos', '呼叫求助 · Call for help'),
        ('fall', '跌倒 · Fall'),
        ('sos_unknown_device', '呼叫求助（设备未登记） · Call for help (unknown device)'),
        ('fall_unknown_device', '跌倒（设备未登记） · Fall (unknown device)'),
        ('possible_fall', '疑似跌倒 · Possible fall'),
        ('inactivity', '长时间无活动 · No activity'),
        ('absence_check', '外出后未见返回 · Not back from an absence'),
        ('absence_use', '外出期间有人用水 · Water used in an absence'),
        ('leak', '漏水 · Leak'),
        ('continuous_flow', '持续流水 · Water running on'),
        ('high_use', '用水量异常 · Very high water use'),
        ('monitoring_lost', '监测中断 · Monitoring lost'),
        ('monitoring_impaired', '监测受限 · Monitoring impaired'),
        ('battery_low', '电量低 · Battery low'),
        ('tamper', '设备被动过 · Device tampered with'),
        ('clock_wrong', '设备时钟不准 · Device clock wrong'),
        ('meter_fault', '水表故障 · Meter fault'),
        ('test_overdue', '按钮该测试了 · Button test overdue'),
        ('check_overdue', '设备该检查了 · Device check overdue'),
        ('area_incident', '片区异常 · Area incident'),
        ('probe_lost', '系统自检未通过 · The service''s own probe is lost'),
        ('hearing_lost', '系统收不到数据 · The service hears nothing')
    ) AS known (kind, said);

-- ---------------------------------------------------------------- who lives where

CREATE VIEW dashboard.area AS
    WITH RECURSIVE tree AS (
        SELECT area_id, parent_id, path, ARRAY[0, area_id] AS area_ids FROM public.area WHERE parent_id IS NULL
        UNION ALL
        SELECT a.area_id, a.parent_id, a.path, t.area_ids || a.area_id
        FROM public.area a JOIN tree t ON t.area_id = a.parent_id
    )
    SELECT area_id, parent_id, path, area_ids FROM tree;

CREATE VIEW dashboard.home AS
    SELECT h.home_id, h.area_id, a.path AS area_path, a.area_ids, h.time_zone, w.due_at, w.looked_until
    FROM public.home h
    JOIN dashboard.area a USING (area_id)
    LEFT JOIN public.home_watch w USING (home_id)
    WHERE NOT h.probe;
COMMENT ON COLUMN dashboard.home.due_at IS 'when the rules look at it next';

CREATE VIEW dashboard.device AS
    SELECT d.device_id, d.name, d.driver, d.model, i.home_id, h.area_id, h.area_path, h.area_ids, i.gateway, i.interval_s,
           i.installed_at
    FROM public.device d
    JOIN public.installation i ON i.device_id = d.device_id AND i.removed_at IS NULL
    JOIN dashboard.home h USING (home_id);
COMMENT ON VIEW dashboard.device IS 'devices that are installed now; name is what is printed on it';

CREATE VIEW dashboard.absence AS
    SELECT absence_id, home_id, from_at, LEAST(until_at, ended_at) AS until_at, reason FROM public.absence
    WHERE ended_at IS DISTINCT FROM from_at;
COMMENT ON COLUMN dashboard.absence.until_at IS 'when it ends or was said to be over';

-- ---------------------------------------------------------------- the series

CREATE VIEW dashboard.latest AS
    SELECT i.home_id, i.device_id, q.name AS quantity, q.unit, r.measured_at, r.received_at, r.value
    FROM public.installation i
    CROSS JOIN public.quantity q
    CROSS JOIN LATERAL (
        SELECT measured_at, received_at, value FROM public.reading
        WHERE device_id = i.device_id AND quantity = q.quantity AND measured_at >= i.installed_at
        ORDER BY measured_at DESC LIMIT 1
    ) r
    WHERE i.removed_at IS NULL;
COMMENT ON VIEW dashboard.latest IS 'the newest reading of each installed device and quantity; ask for a home or a device, not for all';

CREATE VIEW dashboard.reading AS
    SELECT i.home_id, r.device_id, d.name AS device_name, q.name AS quantity, q.unit, r.measured_at, r.received_at, r.value
    FROM public.installation i
    JOIN public.device d USING (device_id)
    JOIN public.reading r ON r.device_id = i.device_id AND r.measured_at >= i.installed_at
        AND (i.removed_at IS NULL OR r.measured_at < i.removed_at)
    JOIN public.quantity q ON q.quantity = r.quantity;

CREATE VIEW dashboard.use_per_hour AS
    SELECT i.home_id, i.device_id, u.hour_at, u.use_l, u.readings
    FROM public.installation i
    CROSS JOIN LATERAL (
        -- OFFSET 0 keeps the device's own condition inside, so that no other device is added up.
        SELECT hour_at, use_l, readings FROM public.use_per_hour WHERE device_id = i.device_id OFFSET 0
    ) u
    WHERE u.hour_at > i.installed_at - INTERVAL '1 hour' AND (i.removed_at IS NULL OR u.hour_at < i.removed_at);

CREATE VIEW dashboard.use_per_day AS
    SELECT i.home_id, i.device_id, u.day_on, u.use_l, u.hours
    FROM (SELECT DISTINCT home_id, device_id FROM public.installation) i
    CROSS JOIN LATERAL (
        SELECT day_on, use_l, hours FROM public.use_per_day WHERE device_id = i.device_id AND home_id = i.home_id OFFSET 0
    ) u;
COMMENT ON COLUMN dashboard.use_per_day.day_on IS 'a day of the home''s time zone';

CREATE VIEW dashboard.event AS
    SELECT e.event_id, i.home_id, e.device_id, d.name AS device_name, e.kind, e.measured_at, e.received_at
    FROM public.installation i
    JOIN public.device d USING (device_id)
    JOIN public.event e ON e.device_name = d.name AND e.received_at >= i.installed_at
        AND (i.removed_at IS NULL OR e.received_at < i.removed_at);
COMMENT ON VIEW dashboard.event IS 'of devices that are or were installed: nobody else''s names';

-- ---------------------------------------------------------------- alerts

CREATE VIEW dashboard.alert AS
    SELECT a.alert_id, a.home_id, COALESCE(h.area_id, a.area_id) AS area_id, r.path AS area_path,
           COALESCE(r.area_ids, ARRAY[0]) AS area_ids,
           (SELECT d.name FROM public.device d WHERE d.name = a.device_name) AS device_name,
           a.kind, COALESCE(k.said, a.kind) AS kind_said, a.severity,
           array_position(ARRAY['urgent', 'hard', 'soft', 'technical'], a.severity) AS severity_rank, a.state,
           a.since, a.raised_at, a.acknowledged_at, a.on_the_way_at, a.on_scene_at, a.closed_at, a.outcome,
           a.sign_of_life_at, a.times_raised, a.reason,
           (SELECT min(s.at) FROM public.alert_entry s
            WHERE s.alert_id = a.alert_id AND s.action IN ('acknowledged', 'on_the_way', 'on_scene', 'closed')) AS answered_at,
           CASE WHEN COALESCE(a.assigned_to, a.acknowledged_by) IS NOT NULL THEN
               COALESCE((SELECT p.key FROM public.person p WHERE p.key = COALESCE(a.assigned_to, a.acknowledged_by)),
                        'other account')
           END AS taken_by,
           e.phase, e.due_at, e.round, e.step
    FROM public.alert a
    LEFT JOIN public.home h USING (home_id)
    LEFT JOIN dashboard.area r ON r.area_id = COALESCE(h.area_id, a.area_id)
    LEFT JOIN dashboard.kind k USING (kind)
    LEFT JOIN public.escalation e USING (alert_id)
    WHERE NOT a.probe;
COMMENT ON COLUMN dashboard.alert.reason IS 'the service''s own sentence: figures, times and ids';
COMMENT ON COLUMN dashboard.alert.answered_at IS 'when somebody first took it, went or closed it, as in the report';
COMMENT ON COLUMN dashboard.alert.taken_by IS 'the key of a person; an account of the command line or of a desk is not named';
COMMENT ON COLUMN dashboard.alert.due_at IS 'when the next step of telling is due, or when whoever took it is asked again';

CREATE VIEW dashboard.alert_step AS
    SELECT e.alert_id, a.home_id, e.entry_id, e.at, e.action
    FROM public.alert_entry e JOIN public.alert a USING (alert_id)
    WHERE NOT a.probe;

CREATE VIEW dashboard.message AS
    SELECT n.alert_id, a.severity, COALESCE(r.area_ids, ARRAY[0]) AS area_ids, n.channel, n.state, n.delivery, n.attempts,
           n.created_at, n.next_attempt_at, n.delivery_at,
           (SELECT min(t.started_at) FROM public.notification_attempt t
            WHERE t.notification_id = n.notification_id AND t.result = 'accepted') AS accepted_at
    FROM public.notification n
    JOIN public.alert a USING (alert_id)
    LEFT JOIN public.home h USING (home_id)
    LEFT JOIN dashboard.area r ON r.area_id = COALESCE(h.area_id, a.area_id)
    WHERE NOT a.probe;

CREATE VIEW dashboard.trouble AS
    SELECT t.cause, t.area_id, a.path AS area_path, COALESCE(a.area_ids, behind.area_ids, ARRAY[0]) AS area_ids, t.gateway,
           t.since, t.opened_at, t.ended_at, t.homes, t.watched
    FROM public.area_trouble t
    LEFT JOIN dashboard.area a USING (area_id)
    LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT one.area_id) AS area_ids FROM dashboard.device d, unnest(d.area_ids) AS one (area_id)
        WHERE d.gateway = t.gateway
    ) behind ON true
    WHERE t.opened_at IS NOT NULL;
COMMENT ON VIEW dashboard.trouble IS 'areas and gateways whose homes fell silent or dry together; a gateway belongs to the areas of the homes behind it';

CREATE VIEW dashboard.unprotected AS
    SELECT h.home_id, h.area_id, h.area_path, h.area_ids, c.cause, min(c.since) AS since
    FROM dashboard.home h
    JOIN (
        SELECT home_id, 'area_' || cause AS cause, since FROM public.unprotected_home
        UNION ALL
        SELECT home_id, 'monitoring_lost', since FROM public.alert
        WHERE kind = 'monitoring_lost' AND state <> 'closed' AND home_id IS NOT NULL
        UNION ALL
        SELECT n.home_id, 'no_device', (SELECT max(i.removed_at) FROM public.installation i WHERE i.home_id = n.home_id)
        FROM public.home n
        WHERE NOT EXISTS (SELECT FROM public.installation i WHERE i.home_id = n.home_id AND i.removed_at IS NULL)
    ) c USING (home_id)
    GROUP BY h.home_id, h.area_id, h.area_path, h.area_ids, c.cause;
COMMENT ON VIEW dashboard.unprotected IS 'homes nobody can watch now, and why: area_silent, area_dry, monitoring_lost, no_device (since null: never had one)';

-- ---------------------------------------------------------------- the service itself

CREATE VIEW dashboard.hearing AS
    SELECT lane, broker, max(heard_until) AS heard_until FROM public.hearing GROUP BY lane, broker;

CREATE VIEW dashboard.probe AS
    SELECT probe_id, through, pressed_at, dispatched_at FROM public.probe_run;

CREATE VIEW dashboard.quarantine AS
    SELECT d.device_id, d.name AS device_name, q.reason, q.messages, q.first_at, q.last_at
    FROM public.quarantine_count q LEFT JOIN public.device d ON d.name = q.device_name;
COMMENT ON COLUMN dashboard.quarantine.device_name IS 'null: no registered device, so anything could stand there';

CREATE VIEW dashboard.certificate AS
    SELECT c.credential_id, c.kind, d.device_id, d.name AS device_name, c.issued_at, c.expires_at
    FROM public.broker_credential c LEFT JOIN public.device d ON c.kind = 'device' AND d.name = c.account
    WHERE c.revoked_at IS NULL AND c.expires_at IS NOT NULL;
