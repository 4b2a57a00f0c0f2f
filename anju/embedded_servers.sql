-- name: forget_broker
DELETE FROM hearing WHERE broker = %(broker)s;
