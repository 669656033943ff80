// Tunnels of many sites from one process, by the agent's own code; they stay open until it is killed.
//   node tunnels.mjs URL FILE    the file has [{newtId, secret}]; it says when all are open
import fs from 'node:fs';

const built = (file) => import(new URL(`../../../dist/libs/agent/src/${file}.js`, import.meta.url).href);
const { ServerLink } = await built('session/server-link');
const { tokenOnce } = await built('session/token');
const { dial } = await built('tunnel/tunnel-dial');
const { DialPolicy } = await built('tunnel/dial-policy');
const { TunnelStreams } = await built('tunnel/tunnel-streams');

const AT_ONCE = 32;
const [, , url = '', file = ''] = process.argv;
const link = new ServerLink(new URL(url), {}, {});
const { signal } = new AbortController();
const context = { signal, log: { hide: () => undefined } };
const streams = new TunnelStreams(new DialPolicy([]));
/** @type {{ newtId: string, secret: string }[]} */
const newts = JSON.parse(fs.readFileSync(file, 'utf8'));

process.on('disconnect', () => process.exit());
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let newt = newts[next++]; newt; newt = newts[next++]) {
      const token = await tokenOnce(context, link, { id: newt.newtId, secret: newt.secret });
      const { duplex } = await dial(link, 'upgrade', token, signal);
      duplex.once('close', () => {
        console.error('a tunnel was closed');
        process.exit(1);
      });
      streams.serve(duplex);
    }
  }),
);
process.send?.('open');
