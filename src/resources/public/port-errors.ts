/** Whether the port of a raw resource `r` is another one's: who came first has it (docs/adr/0100). */
export const PORT_IS_ANOTHERS = `EXISTS (
  SELECT FROM resource o WHERE NOT o.http AND o.staged_by IS NULL AND o.protocol = r.protocol AND o.proxy_port = r.proxy_port AND o.resource_id <> r.resource_id
    AND coalesce(o.port_taken, o.resource_id) < coalesce(r.port_taken, r.resource_id))`;

/** Why the port of a resource `r` is not served, or not by each server process; null: nothing is known against it. What was told of another port is old. */
export const PORT_ERROR = `CASE WHEN r.http OR r.staged_by IS NOT NULL THEN NULL
  WHEN ${PORT_IS_ANOTHERS} THEN r.protocol || ' port ' || r.proxy_port || ' was taken by another resource before'
  ELSE (SELECT e.error || coalesce(', on the server ' || s.address, '') FROM raw_port_error e JOIN server s ON s.server_id = e.server_id
        WHERE e.resource_id = r.resource_id AND starts_with(e.error, r.protocol || ' port ' || r.proxy_port || ' ') ORDER BY e.server_id LIMIT 1) END`;
