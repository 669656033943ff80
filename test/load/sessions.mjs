// Agent sessions: what an idle one costs beside a bare ws server, and how a fleet that was cut off comes back.
import fs from 'node:fs';
import path from 'node:path';
import { median } from './lib.mjs';
import { seedNewts, seedSites } from './seed.mjs';

const HELLO = JSON.stringify({
  type: 'agent/hello',
  data: { protocol: 1, version: '0.1.0', capabilities: [], facts: { hostname: 'bench', os: 'linux', arch: 'x64' } },
});

export async function sessions({ testbed, table, options }) {
  const { sessions: count, settle, runs } = options;
  const turns = [];
  for (let run = 0; run < Math.max(1, Math.min(runs, 3)); run++)
    turns.push({ bare: await bare(testbed, count, settle), ours: await ours(testbed, count, settle) });
  const of = (pick) => median(turns.map(pick));
  const heap = {
    ours: of((t) => t.ours.memory.live_heap_kib_per_conn),
    bare: of((t) => t.bare.memory.live_heap_kib_per_conn),
  };
  const rss = {
    ours: of((t) => t.ours.memory.kib_per_conn_settled),
    bare: of((t) => t.bare.memory.kib_per_conn_settled),
  };
  const n = count.toLocaleString('en');
  table.row({
    what: `${n} idle sessions: live heap each`,
    ours: `${heap.ours} KiB`,
    against: `bare ws ${heap.bare} KiB`,
    ratio: heap.ours / heap.bare,
    target: { below: 1.5 },
    incumbent: '4.0 KiB',
  });
  table.row({
    what: `${n} idle sessions: resident each`,
    ours: `${rss.ours} KiB`,
    against: `bare ws ${rss.bare} KiB`,
    ratio: rss.ours / rss.bare,
    target: { below: 1.35 },
    incumbent: '10.6 KiB',
  });
  const back = of((t) => t.ours.storm.all_back_s);
  const failed = Math.max(
    ...turns.map(
      (t) => count - t.ours.storm.still_open + Object.values(t.ours.storm.errors).reduce((a, b) => a + b, 0),
    ),
  );
  table.row({
    what: `${n} cut off at once: all back, token first`,
    ours: `${back} s`,
    against: `bare ws, no token: ${of((t) => t.bare.storm.all_back_s)} s`,
    value: back,
    target: { below: 5 },
    unit: ' s',
    incumbent: '49–89 s',
  });
  table.row({ what: 'meanwhile: failed requests', ours: `${failed}`, value: failed, target: { below: 0 } });
  const probe = of((t) => t.ours.storm.probe.max_ms);
  table.row({
    what: 'meanwhile: worst plain GET',
    ours: `${probe} ms (p50 ${of((t) => t.ours.storm.probe.p50_ms)} ms)`,
    against: `bare ws ${of((t) => t.bare.storm.probe.max_ms)} ms`,
    value: probe,
    target: { below: 200 },
    unit: ' ms',
  });
}

async function ours(testbed, count, settle) {
  const report = path.join(testbed.folder, 'gc-ours.json');
  const server = await testbed.server(await testbed.database(), { gcReport: report });
  const org = await server.organization('fleet');
  await seedSites(server, org, Math.ceil(count * 1.2));
  const newts = path.join(testbed.folder, 'fleet.jsonl');
  fs.writeFileSync(newts, (await seedNewts(server, org.orgId, count)).map((row) => JSON.stringify(row)).join('\n'));
  const result = await testbed.tool(
    'ws-load.mjs',
    [
      '--json',
      '--url',
      `${server.url.replace('http', 'ws')}/api/v1/ws?clientType=newt&token={{token}}`,
      '--data',
      newts,
      '--count',
      String(count),
      '--warm',
      '500',
      '--server-pid',
      String(server.pid),
      '--settle',
      String(settle),
      '--storm',
      '1',
      '--probe-url',
      `${server.url}/healthz`,
      '--gc-report',
      report,
      '--pre-url',
      `${server.url}/api/v1/auth/newt/get-token`,
      '--pre-body',
      '{"newtId":"{{newtId}}","secret":"{{secret}}"}',
      '--pre-token',
      'data.token',
      '--hello',
      HELLO,
    ],
    300,
  );
  await server.stop();
  return result;
}

async function bare(testbed, count, settle) {
  const report = path.join(testbed.folder, 'gc-bare.json');
  const server = await testbed.bare('raw-ws.mjs', { gcReport: report });
  const result = await testbed.tool(
    'ws-load.mjs',
    [
      '--json',
      '--url',
      server.url.replace('http', 'ws'),
      '--count',
      String(count),
      '--warm',
      '500',
      '--server-pid',
      String(server.pid),
      '--settle',
      String(settle),
      '--storm',
      '1',
      '--probe-url',
      server.url,
      '--gc-report',
      report,
    ],
    300,
  );
  await server.stop();
  return result;
}
