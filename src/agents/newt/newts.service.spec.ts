import { expect, it } from 'vitest';
import type { LabelledContainer } from '#blueprint';
import type { Outcome } from '../../blueprints/index.js';
import type { Session } from '../gateway/session.js';
import { NewtsService } from './newts.service.js';

it('knows the containers of a newt again without keeping them', async () => {
  const applied: LabelledContainer[][] = [];
  const blueprints = {
    fromContainers(_session: Session, list: LabelledContainer[], answer: (outcome: Outcome) => void) {
      applied.push(list);
      answer({ ok: true, message: '', problems: [] });
    },
  };
  const checks = { ofSites: () => Promise.resolve(new Map()) };
  const newts = new NewtsService({} as never, checks as never, {} as never, blueprints as never);
  const session = { siteId: 1, status: 'approved', takesLabels: true, ended: false, send: () => undefined };
  await newts.tell([session as never]);
  const container = (label: string) => ({
    id: 'a1',
    name: 'web',
    state: 'running',
    labels: { [`pangolin.${label}`]: 'x' },
  });
  const long = 'x'.repeat(200_000);
  for (const label of [long, long, 'other', long]) newts.takeContainers(session as never, [container(label)]);
  expect(applied.map(([one]) => Object.keys(one!.labels)[0]!.length)).toEqual([200_009, 14, 200_009]);
  expect(JSON.stringify(newts['known'].get(session as never)).length).toBeLessThan(1000);
});
