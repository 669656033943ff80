import { describe, expect, it } from 'vitest';
import { readEnvelope, readReconnect, readState, readWelcome } from './messages.js';

const welcome = {
  protocol: 1,
  siteId: 7,
  niceId: 'calm-otter-x',
  status: 'pending',
  serverVersion: '1.13.0',
  heartbeatSeconds: 30,
};

describe('messages of the server', () => {
  it('are envelopes with a type', () => {
    expect(readEnvelope('{"type":"agent/state","data":{"version":1},"configVersion":1}')).toEqual({
      type: 'agent/state',
      data: { version: 1 },
    });
    for (const bad of ['', 'x', 'null', '[]', '{"data":1}', '{"type":3}']) expect(readEnvelope(bad)).toBeUndefined();
  });

  it('may hold fields from a later version', () => {
    expect(readWelcome({ ...welcome, colour: 'red' })).toEqual(welcome);
    expect(readState({ version: 3, status: 'approved', later: true })).toMatchObject({
      version: 3,
      status: 'approved',
    });
  });

  it('are dropped when what is needed is missing', () => {
    for (const change of [{ siteId: '7' }, { niceId: undefined }, { status: 'frozen' }])
      expect(readWelcome({ ...welcome, ...change })).toBeUndefined();
    for (const bad of [null, {}, { version: 0 }, { version: 1.5 }, { version: '1' }, { version: 1, status: 'x' }])
      expect(readState(bad)).toBeUndefined();
    for (const bad of [null, {}, { afterMs: -1 }, { afterMs: '5' }, { afterMs: Number.NaN }])
      expect(readReconnect(bad)).toBeUndefined();
  });

  it('cannot make the agent beat too often or stay away for days', () => {
    for (const heartbeatSeconds of [0, -1, 0.001, 1e9, 'x', undefined])
      expect(readWelcome({ ...welcome, heartbeatSeconds })?.heartbeatSeconds).toBe(30);
    expect(readReconnect({ afterMs: 1e12 })).toEqual({ afterMs: 3_600_000 });
  });
});
