import { readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../../../test/support/certificate.js';
import {
  type Answer,
  CONTENT,
  dependency,
  FileServers,
  failing,
  inTurn,
  whole,
} from '../../../../test/support/file-servers.js';

let files: FileServers;
beforeEach(() => (files = new FileServers()));
afterEach(() => files.remove());

describe('a server', () => {
  it('that does not answer is unreachable', async () => {
    const url = await files.serve(() => undefined);
    await expect(files.fetched(url, { limits: { answerMs: 100 } })).rejects.toEqual(
      failing('unreachable', /no answer within 0.1 s/),
    );
  });

  it('that is too slow is unreachable, and what it sent is kept', async () => {
    const slow: Answer = (_, response) => {
      response.setHeader('etag', '"1"').setHeader('content-length', CONTENT.length);
      response.write(CONTENT.subarray(0, 5));
    };
    const url = await files.serve(slow);
    const limits = { slowMs: 300, slowBytes: 1000, resumes: 0 };
    await expect(files.fetched(url, { limits })).rejects.toEqual(
      failing('unreachable', /fewer than 1000 bytes in 0.3 s/),
    );
    expect(readFileSync(files.part)).toEqual(CONTENT.subarray(0, 5));
  });

  it('that is not there is unreachable', async () => {
    await expect(files.fetched('http://127.0.0.1:1/')).rejects.toEqual(failing('unreachable', /bad port|ECONNREFUSED/));
    await expect(files.fetched('http://no-such-host.invalid/')).rejects.toEqual(failing('unreachable', /no-such-host/));
    await expect(files.fetched('ftp://127.0.0.1/')).rejects.toEqual(failing('unreachable', /no http/));
  });

  it('is left when the agent is stopped', async () => {
    const stop = new AbortController();
    const url = await files.serve((_, response) => {
      response.setHeader('content-length', CONTENT.length).write(CONTENT.subarray(0, 5));
      stop.abort(new Error('stopped'));
    });
    await expect(files.cache().fetchAll([dependency(url)], stop.signal)).rejects.toThrow('stopped');
  });

  it('by https is verified, and trusted by a certificate that is given', async () => {
    const tls = await selfSigned('01');
    const url = await files.serve(whole(), tls);
    await expect(files.fetched(url)).rejects.toEqual(failing('unreachable', /self-signed certificate/));
    expect(await files.fetched(url, { ca: [tls.cert] })).toEqual(CONTENT);
  });
});

describe('a redirect', () => {
  const redirect = (to: (hop: number) => string): Answer => {
    let hop = 0;
    return (_, response) => void response.writeHead(302, { location: to(++hop) }).end();
  };

  it('is followed, five at most', async () => {
    const last = await files.serve(whole());
    const five = redirect((hop) => (hop < 5 ? `/${hop}` : `${last}/`));
    expect(await files.fetched(await files.serve(five))).toEqual(CONTENT);
    rmSync(files.cachePath, { recursive: true });
    const endless = await files.serve(redirect((hop) => `/${hop}`));
    const before = files.asked.length;
    await expect(files.fetched(endless)).rejects.toEqual(failing('status', /redirects more than 5 times/));
    expect(files.asked.length - before).toBe(6);
  });

  it('from https to http is not followed', async () => {
    const tls = await selfSigned('01');
    const plain = await files.serve(whole());
    const url = await files.serve(
      redirect(() => plain),
      tls,
    );
    await expect(files.fetched(url, { ca: [tls.cert] })).rejects.toEqual(failing('status', /from https to http/));
    expect(files.asked).toHaveLength(1);
  });

  it('to what is no http:// or https:// URL is not followed', async () => {
    const url = await files.serve(redirect(() => 'file:///etc/passwd'));
    await expect(files.fetched(url)).rejects.toEqual(failing('status', /redirects to what is no http/));
  });

  it('takes the user and password of the URL to their own origin alone', async () => {
    const other = await files.serve(whole());
    const own = await files.serve(
      inTurn(
        redirect(() => '/again'),
        redirect(() => other.replace('//', '//x:y@')),
      ),
    );
    expect(await files.fetched(own.replace('//', '//me:secret@'))).toEqual(CONTENT);
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(files.asked.map(({ headers }) => headers.authorization)).toEqual([basic, basic, undefined]);
  });

  it.each(['http://169.254.169.254/', 'http://[::ffff:a9fe:a9fe]/', 'http://0xa9fea9fe/'])(
    'to %s is not followed',
    async (to) => {
      const url = await files.serve(redirect(() => to));
      await expect(files.fetched(url)).rejects.toEqual(
        failing('unreachable', /is an address that bundles may not lead to/),
      );
    },
  );

  it('out of --dependency-allow is not followed', async () => {
    const other = await files.serve(whole());
    const url = await files.serve(redirect(() => other));
    const { host } = new URL(url);
    await expect(files.fetched(url, { allow: [host] })).rejects.toEqual(
      failing('unreachable', /is not in --dependency-allow/),
    );
    expect(await files.fetched(url, { allow: [host, `${other}/`] })).toEqual(CONTENT);
  });
});

describe('a name', () => {
  it('that leads to a link-local address is not connected to, whatever it led to before', async () => {
    const url = (await files.serve(inTurn(files.breaking(1000, '"1"'), whole()))).replace('127.0.0.1', 'files.example');
    const answers = ['127.0.0.1', '169.254.169.254'];
    let resolved = 0;
    const lookup = ((_: string, __: unknown, done: (error: null, found: object[]) => void) =>
      done(null, [{ address: answers[resolved++], family: 4 }])) as never;
    await expect(files.fetched(url, { lookup })).rejects.toEqual(
      failing('unreachable', /files.example is an address that/),
    );
    expect([files.asked.length, resolved]).toEqual([1, 2]);
  });

  it('is resolved by the proxy where there is one', async () => {
    const { port } = new URL(await files.serve(whole()));
    const names: (string | undefined)[] = [];
    const proxy = createServer();
    proxy.on('connect', (request: IncomingMessage, socket) => {
      names.push(request.url);
      const upstream = connect(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    const env = { HTTP_PROXY: `http://127.0.0.1:${await files.listen(proxy)}` };
    expect(await files.fetched('http://files.example/model', { env })).toEqual(CONTENT);
    expect(names).toEqual(['files.example:80']);
    await expect(files.fetched('http://169.254.169.254/', { env }, { sha256: '0'.repeat(64) })).rejects.toEqual(
      failing('unreachable', /is an address that/),
    );
  });
});
