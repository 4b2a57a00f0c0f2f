-- name: sampled
-- The meters, and whatever else reports regularly, of some homes of each area: always the same ones.
SELECT h.home_id, h.area_id, h.time_zone, i.device_id, d.name, i.interval_s, i.litres_per_pulse, i.resolution_l,
       i.installed_at, i.removed_at
FROM unnest(%(areas)s::integer[]) AS asked (area_id)
CROSS JOIN LATERAL (
    SELECT of_area.home_id, of_area.area_id, of_area.time_zone
    FROM home of_area
    WHERE of_area.area_id = asked.area_id
      AND EXISTS (SELECT FROM installation s
                  WHERE s.home_id = of_area.home_id AND s.removed_at IS NULL AND s.interval_s IS NOT NULL)
    ORDER BY hashint4(of_area.home_id), of_area.home_id
    LIMIT %(each)s
) AS h
JOIN installation i ON i.home_id = h.home_id AND i.interval_s IS NOT NULL
    AND (i.removed_at IS NULL OR i.removed_at > %(earliest)s)
JOIN device d USING (device_id)
ORDER BY h.home_id, i.installed_at, i.installation_id;
