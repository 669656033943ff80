import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort, startServer } from '../support/server.js';

const takePort = async (port: number) => {
  const other = createServer();
  await once(other.listen(port, '127.0.0.1'), 'listening');
  return { other, port: (other.address() as AddressInfo).port };
};

it('EDGE_PORT that another program has ends the start with a sentence that names it', async () => {
  const { other, port } = await takePort(0);
  const start = startServer({ port: await freePort(), env: { EDGE_PORT: String(port) } });
  await expect(start).rejects.toThrow(
    `EDGE_PORT ${port} is in use by another program on 127.0.0.1; stop that one or set another EDGE_PORT.`,
  );
  other.close();
});

it('the usual port is done without when another program has it, which is said', async () => {
  // Where somebody on this machine has it already, that will do.
  const taken = await takePort(8080).catch(() => undefined);
  const server = await startServer({ env: { EDGE_PORT: '' } });
  taken?.other.close();
  expect(server.logs.join('\n')).toContain('Port 8080 is in use by another program: public resources are not served');
  await server.stop();
});
