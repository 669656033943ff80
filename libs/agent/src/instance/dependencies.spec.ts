import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../../../test/support/certificate.js';
import { until } from '../../../../test/support/server.js';
import { Log } from '../log.js';
import { type Dependency, DependencyCache, type DependencyOptions } from './dependencies.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let folder: string;
let servers: Server[];
let asked: IncomingMessage[];
let log: string[];
const { signal } = new AbortController();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-dependencies-'));
  [servers, asked, log] = [[], [], []];
});
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

const CONTENT = randomBytes(200_000);
const cachePath = () => join(folder, 'dependencies');

/** A server on loopback. @returns its URL */
async function serve(answer: Answer, tls?: { cert: string; key: string }): Promise<string> {
  const listener: Answer = (request, response) => {
    asked.push(request);
    answer(request, response);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function cache(options: Partial<DependencyOptions> = {}): DependencyCache {
  return new DependencyCache({
    folder: cachePath(),
    allow: [],
    env: {},
    log: new Log((line) => log.push(line), 'DEBUG'),
    ...options,
  });
}

function dependency(url: string, change: Partial<Dependency> = {}): Dependency {
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  return { name: 'model', url, sha256, size: CONTENT.length, ...change };
}

/** What a server sends whole: with its length, and the part that was asked for when it still has that file. */
const whole =
  (etag = '"1"', content = CONTENT): Answer =>
  ({ headers }, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const partial = from > 0 && headers['if-range'] === etag;
    response.setHeader('etag', etag);
    response.setHeader('content-length', content.length - (partial ? from : 0));
    if (partial) response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` });
    response.end(content.subarray(partial ? from : 0));
  };

/** Sends a part of a file, and breaks the connection when the agent has it. */
function sendPart(response: ServerResponse, content: Buffer, already = 0): void {
  response.write(content);
  const part = join(cachePath(), `${dependency('').sha256}.part`);
  const arrived = () => statSync(part, { throwIfNoEntry: false })?.size === already + content.length;
  void until(arrived, 2).then(() => response.destroy());
}

/** A server whose connection breaks after so many bytes of the content. */
const breaking =
  (bytes: number, etag?: string): Answer =>
  (_, response) => {
    if (etag) response.setHeader('etag', etag);
    response.setHeader('content-length', CONTENT.length);
    sendPart(response, CONTENT.subarray(0, bytes));
  };

/** One answer after the other; the last one again and again. */
const inTurn = (...answers: Answer[]): Answer => {
  let at = 0;
  return (request, response) => answers[Math.min(at++, answers.length - 1)]!(request, response);
};

async function fetched(url: string, options: Partial<DependencyOptions> = {}, change: Partial<Dependency> = {}) {
  const its = cache(options);
  const wanted = dependency(url, change);
  await its.fetchAll([wanted], signal);
  const target = join(folder, `copy-${randomBytes(4).toString('hex')}`);
  await its.copyTo(wanted, target, signal);
  return readFileSync(target);
}
const failing = (reason: string, message: RegExp) =>
  expect.objectContaining({ reason, message: expect.stringMatching(message) });

describe('a dependency', () => {
  it('is fetched once, kept for the agent alone, and copied', async () => {
    const url = await serve(whole());
    expect(await fetched(`${url}/model.bin`)).toEqual(CONTENT);
    expect(await fetched(`${url}/model.bin`)).toEqual(CONTENT);
    expect(asked).toHaveLength(1);
    expect(asked[0]!.headers['accept-encoding']).toBe('identity');
    expect(lstatSync(cachePath()).mode & 0o777).toBe(0o700);
    expect(readdirSync(cachePath())).toEqual([dependency('').sha256]);
    expect(lstatSync(join(cachePath(), dependency('').sha256)).mode & 0o777).toBe(0o600);
  });

  it('may be empty', async () => {
    const url = await serve((_, response) => response.end());
    const sha256 = createHash('sha256').digest('hex');
    expect(await fetched(url, {}, { size: 0, sha256 })).toEqual(Buffer.alloc(0));
  });

  it('damaged in the cache is fetched again when it is copied', async () => {
    const url = await serve(whole());
    await fetched(url);
    writeFileSync(join(cachePath(), dependency('').sha256), randomBytes(CONTENT.length));
    expect(await fetched(url)).toEqual(CONTENT);
    expect(asked).toHaveLength(2);
    expect(log.join()).toContain('was damaged in the cache');
  });

  it('leaves the cache when nothing names it any more, its parts too', async () => {
    const url = await serve(whole());
    await fetched(url);
    writeFileSync(join(cachePath(), `${'0'.repeat(64)}.part`), 'x');
    cache().keepOnly([dependency(url)]);
    expect(readdirSync(cachePath())).toEqual([dependency('').sha256]);
    cache().keepOnly([]);
    expect(readdirSync(cachePath())).toEqual([]);
  });
});

describe('a download that breaks off', () => {
  it('goes on where it ended, as long as bytes come', async () => {
    const rest: Answer = ({ headers }, response) => {
      expect(headers['if-range']).toBe('"1"');
      const from = Number(/\d+/.exec(headers.range!)![0]);
      response.writeHead(206, {
        'content-range': `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`,
        'content-length': CONTENT.length - from,
      });
      sendPart(response, CONTENT.subarray(from, from + 50_000), from);
    };
    const url = await serve(inTurn(breaking(50_000, '"1"'), rest, whole()));
    expect(await fetched(url)).toEqual(CONTENT);
    expect(asked.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=50000-', 'bytes=100000-']);
  });

  it('is unreachable when nothing more comes, and the next call goes on with it', async () => {
    const nothing: Answer = (_, response) => response.destroy();
    const url = await serve(inTurn(breaking(80_000, '"1"'), nothing, whole()));
    await expect(fetched(url)).rejects.toEqual(failing('unreachable', /^the dependency model: http/));
    expect(await fetched(url)).toEqual(CONTENT);
    expect(asked.at(-1)!.headers.range).toBe('bytes=80000-');
  });

  it('does not go on for ever', async () => {
    const url = await serve(breaking(1000));
    await expect(fetched(url)).rejects.toEqual(failing('unreachable', /./));
    expect(asked).toHaveLength(6);
  });

  it.each([
    ['the server has another file by now', breaking(50_000, '"1"'), whole('"2"')],
    ['the server does not know parts', breaking(50_000, '"1"'), (_: unknown, r: ServerResponse) => void r.end(CONTENT)],
    ['the server does not say which file it was', breaking(50_000), whole()],
  ])('begins anew when %s', async (_what, first, second) => {
    expect(await fetched(await serve(inTurn(first, second)))).toEqual(CONTENT);
    expect(asked).toHaveLength(2);
  });

  it('begins anew, once, when the parts do not make the file', async () => {
    const other: Answer = (_, response) => {
      response.setHeader('etag', '"1"').setHeader('content-length', CONTENT.length);
      sendPart(response, randomBytes(50_000));
    };
    expect(await fetched(await serve(inTurn(other, whole())))).toEqual(CONTENT);
    expect(asked.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=50000-', undefined]);
  });
});

describe('what is not the file', () => {
  it('by its content is a wrong digest, and leaves nothing', async () => {
    const url = await serve(whole('"1"', randomBytes(CONTENT.length)));
    await expect(fetched(url)).rejects.toEqual(failing('digest', /has SHA-256 \w{64}, the bundle says/));
    expect(readdirSync(cachePath())).toEqual([]);
  });

  it('by its length is a wrong size, before its body is read', async () => {
    const url = await serve(whole('"1"', Buffer.concat([CONTENT, CONTENT])));
    await expect(fetched(url)).rejects.toEqual(failing('size', /is of 400000 bytes, the bundle says 200000/));
    expect(readdirSync(cachePath())).toEqual([]);
  });

  it('because it goes on and on is given up at the size of the bundle', async () => {
    let sent = 0;
    const endless: Answer = (request, response) => {
      const more = () => {
        while (!request.socket.destroyed && response.write(CONTENT)) sent += CONTENT.length;
      };
      response.on('drain', more);
      more();
    };
    await expect(fetched(await serve(endless))).rejects.toEqual(failing('size', /is longer than 200000 bytes/));
    expect(sent).toBeLessThan(100 * CONTENT.length);
    expect(readdirSync(cachePath())).toEqual([]);
  });

  it('because it ends early is a wrong size', async () => {
    const url = await serve((_, response) => void response.write(CONTENT.subarray(1), () => response.end()));
    await expect(fetched(url)).rejects.toEqual(failing('size', /is only of 199999 bytes/));
  });

  it.each([404, 403, 500, 204, 304])('but an answer %i is a status', async (status) => {
    const url = await serve((_, response) => void response.writeHead(status).end());
    await expect(fetched(`${url}/x?token=secret`)).rejects.toEqual(
      failing('status', new RegExp(`/x answers ${status}$`)),
    );
  });
});

describe('a server', () => {
  it('that does not answer is unreachable', async () => {
    const url = await serve(() => undefined);
    await expect(fetched(url, { limits: { answerMs: 100 } })).rejects.toEqual(
      failing('unreachable', /no answer within 0.1 s/),
    );
  });

  it('that is too slow is unreachable, and what it sent is kept', async () => {
    const slow: Answer = (_, response) => {
      response.setHeader('etag', '"1"').setHeader('content-length', CONTENT.length);
      response.write(CONTENT.subarray(0, 5));
    };
    const url = await serve(slow);
    const limits = { slowMs: 300, slowBytes: 1000, resumes: 0 };
    await expect(fetched(url, { limits })).rejects.toEqual(failing('unreachable', /fewer than 1000 bytes in 0.3 s/));
    expect(readFileSync(join(cachePath(), `${dependency('').sha256}.part`))).toEqual(CONTENT.subarray(0, 5));
  });

  it('that is not there is unreachable', async () => {
    await expect(fetched('http://127.0.0.1:1/')).rejects.toEqual(failing('unreachable', /bad port|ECONNREFUSED/));
    await expect(fetched('http://no-such-host.invalid/')).rejects.toEqual(failing('unreachable', /no-such-host/));
    await expect(fetched('ftp://127.0.0.1/')).rejects.toEqual(failing('unreachable', /no http/));
  });

  it('is left when the agent is stopped', async () => {
    const stop = new AbortController();
    const url = await serve((_, response) => {
      response.setHeader('content-length', CONTENT.length).write(CONTENT.subarray(0, 5));
      stop.abort(new Error('stopped'));
    });
    await expect(cache().fetchAll([dependency(url)], stop.signal)).rejects.toThrow('stopped');
  });

  it('by https is verified, and trusted by a certificate that is given', async () => {
    const tls = await selfSigned('01');
    const url = await serve(whole(), tls);
    await expect(fetched(url)).rejects.toEqual(failing('unreachable', /self-signed certificate/));
    expect(await fetched(url, { ca: [tls.cert] })).toEqual(CONTENT);
  });
});

describe('a redirect', () => {
  const redirect = (to: (hop: number) => string): Answer => {
    let hop = 0;
    return (_, response) => void response.writeHead(302, { location: to(++hop) }).end();
  };

  it('is followed, five at most', async () => {
    const files = await serve(whole());
    const five = redirect((hop) => (hop < 5 ? `/${hop}` : `${files}/`));
    expect(await fetched(await serve(five))).toEqual(CONTENT);
    rmSync(cachePath(), { recursive: true });
    const endless = await serve(redirect((hop) => `/${hop}`));
    const before = asked.length;
    await expect(fetched(endless)).rejects.toEqual(failing('status', /redirects more than 5 times/));
    expect(asked.length - before).toBe(6);
  });

  it('from https to http is not followed', async () => {
    const tls = await selfSigned('01');
    const plain = await serve(whole());
    const url = await serve(
      redirect(() => plain),
      tls,
    );
    await expect(fetched(url, { ca: [tls.cert] })).rejects.toEqual(failing('status', /from https to http/));
    expect(asked).toHaveLength(1);
  });

  it('to what is no http:// or https:// URL is not followed', async () => {
    const url = await serve(redirect(() => 'file:///etc/passwd'));
    await expect(fetched(url)).rejects.toEqual(failing('status', /redirects to what is no http/));
  });

  it('takes the user and password of the URL to their own origin alone', async () => {
    const other = await serve(whole());
    const own = await serve(
      inTurn(
        redirect(() => '/again'),
        redirect(() => other.replace('//', '//x:y@')),
      ),
    );
    expect(await fetched(own.replace('//', '//me:secret@'))).toEqual(CONTENT);
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(asked.map(({ headers }) => headers.authorization)).toEqual([basic, basic, undefined]);
  });

  it.each(['http://169.254.169.254/', 'http://[::ffff:a9fe:a9fe]/', 'http://0xa9fea9fe/'])(
    'to %s is not followed',
    async (to) => {
      const url = await serve(redirect(() => to));
      await expect(fetched(url)).rejects.toEqual(failing('unreachable', /is an address that bundles may not lead to/));
    },
  );

  it('out of --dependency-allow is not followed', async () => {
    const other = await serve(whole());
    const url = await serve(redirect(() => other));
    const { host } = new URL(url);
    await expect(fetched(url, { allow: [host] })).rejects.toEqual(
      failing('unreachable', /is not in --dependency-allow/),
    );
    expect(await fetched(url, { allow: [host, `${other}/`] })).toEqual(CONTENT);
  });
});

describe('a name', () => {
  it('that leads to a link-local address is not connected to, whatever it led to before', async () => {
    const url = (await serve(inTurn(breaking(1000, '"1"'), whole()))).replace('127.0.0.1', 'files.example');
    const answers = ['127.0.0.1', '169.254.169.254'];
    let resolved = 0;
    const lookup = ((_: string, __: unknown, done: (error: null, found: object[]) => void) =>
      done(null, [{ address: answers[resolved++], family: 4 }])) as never;
    await expect(fetched(url, { lookup })).rejects.toEqual(failing('unreachable', /files.example is an address that/));
    expect([asked.length, resolved]).toEqual([1, 2]);
  });

  it('is resolved by the proxy where there is one', async () => {
    const { port } = new URL(await serve(whole()));
    const names: (string | undefined)[] = [];
    const proxy = createServer();
    servers.push(proxy);
    proxy.on('connect', (request: IncomingMessage, socket) => {
      names.push(request.url);
      const upstream = connect(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const env = { HTTP_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    expect(await fetched('http://files.example/model', { env })).toEqual(CONTENT);
    expect(names).toEqual(['files.example:80']);
    await expect(fetched('http://169.254.169.254/', { env }, { sha256: '0'.repeat(64) })).rejects.toEqual(
      failing('unreachable', /is an address that/),
    );
  });
});

describe('the cache', () => {
  it('that is a link, or of somebody else, is not used', () => {
    mkdirSync(join(folder, 'elsewhere'));
    symlinkSync('elsewhere', cachePath());
    expect(() => cache()).toThrow(expect.objectContaining({ code: 78 }));
    rmSync(cachePath());
    mkdirSync(cachePath());
    if (process.geteuid?.() !== 0) return;
    chownSync(cachePath(), 65534, 65534);
    expect(() => cache()).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('that cannot be written to is 73', async () => {
    const url = await serve(whole());
    const its = cache();
    mkdirSync(join(cachePath(), `${dependency('').sha256}.part`));
    await expect(its.fetchAll([dependency(url)], signal)).rejects.toMatchObject({ code: 73 });
  });

  it('does not follow a link in the place of a part', async () => {
    const url = await serve(whole());
    const its = cache();
    const target = join(folder, 'target');
    symlinkSync(target, join(cachePath(), `${dependency('').sha256}.part`));
    await expect(its.fetchAll([dependency(url)], signal)).rejects.toMatchObject({ code: 73 });
    expect(existsSync(target)).toBe(false);
  });
});
