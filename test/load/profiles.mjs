// Claims whose profile makes resources: what it costs that every change of a resource is told of (docs/adr/0026).
import { claimLoad, countAll } from './claims.mjs';
import { median, round, sleep } from './lib.mjs';

const RESOURCES = 20;

const blueprint = [
  'public-resources:',
  ...Array.from({ length: RESOURCES }, (_, i) => [
    `  "{{site.niceId}}-${i}":`,
    `    name: "{{site.name}} ${i}"`,
    '    protocol: http',
    `    full-domain: "{{site.niceId}}-${i}.localhost"`,
    '    rules: [{ action: deny, match: ip, value: 192.0.2.1 }]',
    `    targets: [{ hostname: 10.0.1.1, port: ${8000 + i}, method: http }]`,
  ]).flat(),
].join('\n');

/** Pairs that take turns on one server: with the triggers that tell of changes, and without them. */
export async function profiles({ testbed, table, options }) {
  const { pairs, seconds } = options;
  const server = await testbed.server(await testbed.database());
  const ratios = [];
  const rates = { told: [], silent: [] };
  await turn(server, 'warm', { seconds: 1 });
  for (let pair = 0; pair < pairs; pair++) {
    const ofPair = {};
    for (const which of pair % 2 ? ['told', 'silent'] : ['silent', 'told']) {
      await setTriggers(server, which === 'told');
      const claims = await turn(server, `${which}-${pair}`, { seconds });
      ofPair[which] = claims;
      rates[which].push(claims);
    }
    ratios.push(ofPair.told / ofPair.silent);
  }
  await server.stop();
  table.row({
    what: `claims with a profile of ${RESOURCES} resources`,
    ours: `${round(median(rates.told), 0)}/s`,
    against: `without notices ${round(median(rates.silent), 0)}/s, ${pairs} pairs`,
    ratio: median(ratios),
    target: { atLeast: 0.8 },
  });
}

/** Claims of an organization of their own. @returns claims per second; each is answered when its site's resources are there. */
async function turn(server, orgId, { seconds }) {
  const { key } = await server.organization(orgId, { blueprint });
  await server.sql('CHECKPOINT');
  const { ok_per_s: claims } = await claimLoad(server.testbed, server, key, { seconds });
  // Rather later than never: a document that found the queue full is owed still.
  for (let owed = 1; owed > 0; await sleep(100)) {
    [{ owed }] = await server.sql(
      'SELECT count(*) AS owed FROM profile_blueprint_due JOIN site USING (site_id) WHERE org_id = $1',
      [orgId],
    );
  }
  const { sites } = await countAll(server, orgId);
  const [{ made }] = await server.sql('SELECT count(*) AS made FROM resource WHERE org_id = $1', [orgId]);
  if (made !== sites * RESOURCES) throw new Error(`${sites} sites have ${made} resources`);
  return claims;
}

async function setTriggers(server, on) {
  const triggers = await server.sql(
    `SELECT tgrelid::regclass AS name, tgname AS trigger FROM pg_trigger WHERE tgname ~ '_notice(_insert|_update|_delete)?$'`,
  );
  if (triggers.length === 0) throw new Error('No trigger tells of changes');
  for (const { name, trigger } of triggers)
    await server.sql(`ALTER TABLE ${name} ${on ? 'ENABLE' : 'DISABLE'} TRIGGER ${trigger}`);
}
