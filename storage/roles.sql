-- What the roles of the stages are made from, and what they are.

-- name: lock
-- One at a time: two that change the rights of one table meet in its row of the catalog, and one of them fails.
SELECT pg_advisory_xact_lock(%s);

-- name: relations
-- Tables and views of ours; partitions are reached through their table, and what an extension brought is its own.
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')
ORDER BY c.relname;

-- name: functions
-- Each as the table of privileges names it, as a statement does.
SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')',
       format('%s public.%I(%s)', CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.proname,
              oidvectortypes(p.proargtypes))
FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
ORDER BY 1;

-- name: dashboard_views
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'dashboard' AND c.relkind IN ('v', 'm')
ORDER BY c.relname;

-- name: known
SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
FROM pg_roles WHERE rolname = ANY(%(names)s);

-- name: may
-- Whether we may make roles, and whether the schema is ours to give rights on.
SELECT r.rolsuper OR r.rolcreaterole, r.rolsuper OR pg_has_role(c.relowner, 'USAGE'), current_database()
FROM pg_roles r, pg_class c
WHERE r.rolname = current_user AND c.oid = to_regclass('public.alembic_version');

-- name: memberships
-- Which of our groups our logins are in.
SELECT member.rolname, granted.rolname
FROM pg_auth_members m
JOIN pg_roles member ON member.oid = m.member
JOIN pg_roles granted ON granted.oid = m.roleid
WHERE member.rolname = ANY(%(logins)s) AND granted.rolname = ANY(%(groups)s);
