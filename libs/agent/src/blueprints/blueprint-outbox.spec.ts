import { expect, it } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.js';
import { parse } from '../../../blueprint/index.js';
import type { AgentBlueprint, AgentBlueprintResult } from '../../../contracts/index.js';
import { Log } from '../log.js';
import { BlueprintOutbox } from './blueprint-outbox.js';

function setUp(random = 0) {
  const lines: string[] = [];
  const sent: AgentBlueprint[] = [];
  const settled: AgentBlueprintResult[] = [];
  const clock = new ManualClock();
  const outbox = new BlueprintOutbox(
    {
      clock,
      random: () => random,
      log: new Log((line) => lines.push(line), 'DEBUG'),
      signal: new AbortController().signal,
    },
    (_blueprint, result) => settled.push(result),
    (_kind, paths) =>
      paths.map((path) => (path === 'public-resources.placed' ? { line: 3, column: 5 } : { line: 0, column: 0 })),
  );
  const connect = () => outbox.connected((blueprint) => sent.push(blueprint));
  return { outbox, connect, lines, sent, settled, clock };
}

function model(name: string, aliases = 0) {
  const many = Array.from({ length: aliases }, (_, i) => `{<<: *t, port: ${i + 1}}`).join(', ');
  const parsed = parse(
    `public-resources:\n  a: {targets: [&t {hostname: ${name}, port: 1, path: ${'x'.repeat(aliases === 0 ? 1 : 2000)}}]}\n  b: {targets: [${many}]}\n  c: {targets: [&t {hostname: b, port: 1, path: ${'y'.repeat(aliases === 0 ? 1 : 2000)}}]}`,
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.model;
}

it('sends only the newest document of a kind, and what is the same only once', () => {
  const { outbox, connect, sent } = setUp();
  outbox.put('file', model('old'));
  outbox.put('file', model('new'));
  outbox.put('labels', model('labels'));
  connect();
  outbox.put('file', model('new'));
  expect(sent.map(({ kind, document }) => [kind, JSON.stringify(document).includes('"new"')])).toEqual([
    ['file', true],
    ['labels', false],
  ]);
});

it('does not take the result of a document that was replaced for the newer one', async () => {
  const { outbox, connect, sent, settled, clock } = setUp();
  connect();
  outbox.put('file', model('old'));
  outbox.put('file', model('new'));
  outbox.received({ id: sent[0]?.id ?? '', ok: true, message: '' });
  expect(settled).toEqual([]);
  (await clock.next('blueprint-answer')).wake();
  await expect.poll(() => sent.length).toBe(3);
  expect(sent[2]).toEqual(sent[1]);
  outbox.received({ id: sent[1]?.id ?? '', ok: true, message: '' });
  await expect.poll(() => clock.isAwaited('blueprint-answer')).toBe(false);
});

it('does not send what the server could not read: its frame would end the session', () => {
  const { outbox, connect, sent, lines } = setUp();
  const two = model('a', 250);
  connect();
  outbox.put('file', {
    ...two,
    publicResources: [
      ...two.publicResources,
      ...two.publicResources.map((one) => ({ ...one, key: `${one.key}2` })),
      ...two.publicResources.map((one) => ({ ...one, key: `${one.key}3` })),
    ],
  });
  expect(sent).toEqual([]);
  expect(lines.join('')).toMatch(/ERROR the blueprint file is not sent: written out it has \d+ bytes/);
});

it('sends what stays the truth once more when the site is approved, and a bootstrap not', async () => {
  const { outbox, connect, sent } = setUp();
  outbox.put('file', model('a'));
  outbox.put('bootstrap', model('b'));
  connect();
  for (const { id } of sent) outbox.received({ id, ok: true, message: '' });
  outbox.again();
  await expect.poll(() => sent.map((one) => one.kind)).toEqual(['file', 'bootstrap', 'file']);
});

it('sends at once what was refused while the site waited, when it is approved, and starts the waits anew', async () => {
  const { outbox, connect, sent, clock } = setUp(0.5);
  outbox.put('bootstrap', model('a'));
  connect();
  const refuse = () => outbox.received({ id: sent[0]!.id, ok: false, message: 'no' });
  refuse();
  (await clock.next('blueprint-refused')).wake();
  await expect.poll(() => sent.length).toBe(2);
  refuse();
  const second = await clock.next('blueprint-refused');
  outbox.again();
  await expect.poll(() => sent.length).toBe(3);
  refuse();
  expect((await clock.next('blueprint-refused')).ms).toBeLessThan(second.ms);
  expect(sent).toHaveLength(3);
});

it('keeps what is held back, and sends it when it is released', async () => {
  const { outbox, connect, sent, clock } = setUp();
  connect();
  outbox.put('labels', model('a'));
  outbox.hold('labels');
  await expect.poll(() => clock.isAwaited('blueprint-answer')).toBe(false);
  outbox.put('labels', model('b'));
  connect();
  expect(sent).toHaveLength(1);
  outbox.release('labels');
  await expect.poll(() => sent.length).toBe(2);
  expect(JSON.stringify(sent[1]!.document)).toContain('"b"');
});

it('logs a refusal once, also when the server names the problems in its message', () => {
  const { outbox, connect, sent, lines } = setUp();
  connect();
  outbox.put('file', model('a'));
  const problems = [
    { path: 'public-resources.a', message: 'is taken' },
    { path: 'public-resources.b', message: 'is new' },
  ];
  outbox.received({
    id: sent[0]!.id,
    ok: false,
    message: 'Blueprint applied with errors: public-resources.a: is taken',
    problems,
  });
  expect(lines.join('')).toContain(
    'blueprint file refused: Blueprint applied with errors: public-resources.a: is taken; public-resources.b: is new\n',
  );
});

it('tells problems with their places in the file, which the server does not know', () => {
  const { outbox, connect, sent, settled, lines } = setUp();
  connect();
  outbox.put('file', model('a'));
  const problems = [
    { path: 'public-resources.placed', message: 'may not', line: 1, column: 99 },
    { path: 'public-resources.other', message: 'is taken' },
  ];
  outbox.received({
    id: sent[0]!.id,
    ok: false,
    message: 'Blueprint applied with errors: public-resources.placed: may not',
    problems,
  });
  expect(lines.join('')).toContain(
    'refused: Blueprint applied with errors: 3:5 public-resources.placed: may not; public-resources.other: is taken\n',
  );
  expect(settled[0]!.problems).toMatchObject([
    { line: 3, column: 5 },
    { line: 0, column: 0 },
  ]);
});
