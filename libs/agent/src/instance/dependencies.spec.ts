import { createHash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answer,
  CONTENT,
  dependency,
  FileServers,
  failing,
  inTurn,
  SHA256,
  whole,
} from '../../../../test/support/file-servers.js';

const { signal } = new AbortController();
let files: FileServers;
beforeEach(() => (files = new FileServers()));
afterEach(() => files.remove());

describe('a dependency', () => {
  it('is fetched once, kept for the agent alone, and copied', async () => {
    const url = await files.serve(whole());
    expect(await files.fetched(`${url}/model.bin`)).toEqual(CONTENT);
    expect(await files.fetched(`${url}/model.bin`)).toEqual(CONTENT);
    expect(files.asked).toHaveLength(1);
    expect(files.asked[0]!.headers['accept-encoding']).toBe('identity');
    expect(lstatSync(files.cachePath).mode & 0o777).toBe(0o700);
    expect(readdirSync(files.cachePath)).toEqual([SHA256]);
    expect(lstatSync(join(files.cachePath, SHA256)).mode & 0o777).toBe(0o600);
  });

  it('may be empty', async () => {
    const url = await files.serve((_, response) => response.end());
    const sha256 = createHash('sha256').digest('hex');
    expect(await files.fetched(url, {}, { size: 0, sha256 })).toEqual(Buffer.alloc(0));
  });

  it('damaged in the cache is fetched again when it is copied', async () => {
    const url = await files.serve(whole());
    await files.fetched(url);
    writeFileSync(join(files.cachePath, SHA256), randomBytes(CONTENT.length));
    expect(await files.fetched(url)).toEqual(CONTENT);
    expect(files.asked).toHaveLength(2);
    expect(files.log.join()).toContain('was damaged in the cache');
  });

  it('leaves the cache when nothing names it any more, its parts too', async () => {
    const url = await files.serve(whole());
    await files.fetched(url);
    writeFileSync(join(files.cachePath, `${'0'.repeat(64)}.part`), 'x');
    files.cache().keepOnly([dependency(url)]);
    expect(readdirSync(files.cachePath)).toEqual([SHA256]);
    files.cache().keepOnly([]);
    expect(readdirSync(files.cachePath)).toEqual([]);
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
      files.sendPart(response, CONTENT.subarray(from, from + 50_000), from);
    };
    const url = await files.serve(inTurn(files.breaking(50_000, '"1"'), rest, whole()));
    expect(await files.fetched(url)).toEqual(CONTENT);
    expect(files.asked.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=50000-', 'bytes=100000-']);
  });

  it('is unreachable when nothing more comes, and the next call goes on with it', async () => {
    const nothing: Answer = (_, response) => response.destroy();
    const url = await files.serve(inTurn(files.breaking(80_000, '"1"'), nothing, whole()));
    await expect(files.fetched(url)).rejects.toEqual(failing('unreachable', /^the dependency model: http/));
    expect(await files.fetched(url)).toEqual(CONTENT);
    expect(files.asked.at(-1)!.headers.range).toBe('bytes=80000-');
  });

  it('does not go on for ever', async () => {
    const url = await files.serve(files.breaking(1000));
    await expect(files.fetched(url)).rejects.toEqual(failing('unreachable', /./));
    expect(files.asked).toHaveLength(6);
  });

  it.each([
    ['the server has another file by now', '"1"', whole('"2"')],
    ['the server does not know parts', '"1"', (_: unknown, r: ServerResponse) => void r.end(CONTENT)],
    ['the server does not say which file it was', undefined, whole()],
  ])('begins anew when %s', async (_what, etag, second) => {
    const url = await files.serve(inTurn(files.breaking(50_000, etag), second));
    expect(await files.fetched(url)).toEqual(CONTENT);
    expect(files.asked).toHaveLength(2);
  });

  it('begins anew, once, when the parts do not make the file', async () => {
    const other: Answer = (_, response) => {
      response.setHeader('etag', '"1"').setHeader('content-length', CONTENT.length);
      files.sendPart(response, randomBytes(50_000));
    };
    expect(await files.fetched(await files.serve(inTurn(other, whole())))).toEqual(CONTENT);
    expect(files.asked.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=50000-', undefined]);
  });
});

describe('what is not the file', () => {
  it('by its content is a wrong digest, and leaves nothing', async () => {
    const url = await files.serve(whole('"1"', randomBytes(CONTENT.length)));
    await expect(files.fetched(url)).rejects.toEqual(failing('digest', /has SHA-256 \w{64}, the bundle says/));
    expect(readdirSync(files.cachePath)).toEqual([]);
  });

  it('by its length is a wrong size, before its body is read', async () => {
    const url = await files.serve(whole('"1"', Buffer.concat([CONTENT, CONTENT])));
    await expect(files.fetched(url)).rejects.toEqual(failing('size', /is of 400000 bytes, the bundle says 200000/));
    expect(readdirSync(files.cachePath)).toEqual([]);
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
    await expect(files.fetched(await files.serve(endless))).rejects.toEqual(
      failing('size', /is longer than 200000 bytes/),
    );
    expect(sent).toBeLessThan(100 * CONTENT.length);
    expect(readdirSync(files.cachePath)).toEqual([]);
  });

  it('because it ends early is a wrong size', async () => {
    const url = await files.serve((_, response) => void response.write(CONTENT.subarray(1), () => response.end()));
    await expect(files.fetched(url)).rejects.toEqual(failing('size', /is only of 199999 bytes/));
  });

  it.each([404, 403, 500, 204, 304])('but an answer %i is a status', async (status) => {
    const url = await files.serve((_, response) => void response.writeHead(status).end());
    await expect(files.fetched(`${url}/x?token=secret`)).rejects.toEqual(
      failing('status', new RegExp(`/x answers ${status}$`)),
    );
  });
});

describe('the cache', () => {
  it('that is a link, or of somebody else, is not used', () => {
    mkdirSync(join(files.folder, 'elsewhere'));
    symlinkSync('elsewhere', files.cachePath);
    expect(() => files.cache()).toThrow(expect.objectContaining({ code: 78 }));
    rmSync(files.cachePath);
    mkdirSync(files.cachePath);
    if (process.geteuid?.() !== 0) return;
    chownSync(files.cachePath, 65534, 65534);
    expect(() => files.cache()).toThrow(expect.objectContaining({ code: 78 }));
  });

  it('that cannot be written to is 73', async () => {
    const url = await files.serve(whole());
    const its = files.cache();
    mkdirSync(files.part);
    await expect(its.fetchAll([dependency(url)], signal)).rejects.toMatchObject({ code: 73 });
  });

  it('does not follow a link in the place of a part', async () => {
    const url = await files.serve(whole());
    const its = files.cache();
    const target = join(files.folder, 'target');
    symlinkSync(target, files.part);
    await expect(its.fetchAll([dependency(url)], signal)).rejects.toMatchObject({ code: 73 });
    expect(existsSync(target)).toBe(false);
  });
});
