import { describe, expect, it } from 'vitest';
import { FLOW_BOUNDS, FlowTable } from './flow-table.js';

function table() {
  const clock = { now: 1_000 };
  return { clock, flows: new FlowTable<string>(() => clock.now) };
}

describe('flows', () => {
  it('are one for each address and port of clients', () => {
    const { flows } = table();
    const flow = flows.arrived('192.0.2.1', 5000, 10);
    expect(flows.arrived('192.0.2.1', 5000, 10)).toBe(flow);
    expect(flows.arrived('192.0.2.1', 5001, 10)).not.toBe(flow);
    expect(flows.arrived('192.0.2.2', 5000, 10)).not.toBe(flow);
    expect(flows.size).toBe(3);
  });

  it('are bounded for an address, and for a /64 of IPv6, whatever others have', () => {
    const { flows } = table();
    for (let port = 1; port <= FLOW_BOUNDS.mostOfAddress; port++) {
      expect(flows.arrived('192.0.2.1', port, 1)).toBeDefined();
      expect(flows.arrived(`2001:db8::${port}`, port, 1)).toBeDefined();
    }
    expect(flows.arrived('192.0.2.1', 6000, 1)).toBeUndefined();
    expect(flows.arrived('::ffff:192.0.2.1', 6000, 1)).toBeUndefined();
    expect(flows.arrived('2001:db8::ffff', 6000, 1)).toBeUndefined();
    expect(flows.arrived('2001:db8:0:1::1', 6000, 1)).toBeDefined();
    const [first] = flows;
    flows.delete(first!);
    expect(flows.arrived('192.0.2.1', 6000, 1)).toBeDefined();
  });

  it('are bounded in all', () => {
    const { flows } = table();
    for (let i = 0; i < FLOW_BOUNDS.most; i++) flows.arrived(`10.0.${i >> 8}.${i & 255}`, 1, 1);
    expect(flows.size).toBe(FLOW_BOUNDS.most);
    expect(flows.arrived('192.0.2.1', 1, 1)).toBeUndefined();
  });

  it('end after a minute of silence on both sides', () => {
    const { clock, flows } = table();
    const silent = flows.arrived('192.0.2.1', 1, 1)!;
    const speaking = flows.arrived('192.0.2.2', 1, 1)!;
    flows.arrived('192.0.2.2', 1, 1);
    clock.now += FLOW_BOUNDS.silentMs - 1;
    expect(flows.expired()).toEqual([]);
    expect(speaking.mayAnswer(1, clock.now)).toBe(true);
    clock.now += 1;
    expect(flows.expired()).toEqual([silent]);
    clock.now += FLOW_BOUNDS.silentMs - 1;
    expect(flows.expired()).toEqual([speaking]);
    expect(flows.size).toBe(0);
  });

  it('of a single datagram are answered by ten times its size, and live no longer by that', () => {
    const { clock, flows } = table();
    const flow = flows.arrived('192.0.2.1', 1, 100)!;
    clock.now += 30_000;
    expect(flow.mayAnswer(999, clock.now)).toBe(true);
    expect(flow.mayAnswer(2, clock.now)).toBe(false);
    expect(flow.mayAnswer(1, clock.now)).toBe(true);
    expect(flow.mayAnswer(1, clock.now)).toBe(false);
    clock.now += 30_000;
    expect(flows.expired()).toEqual([flow]);
    const next = flows.arrived('192.0.2.1', 1, 100)!;
    flows.arrived('192.0.2.1', 1, 1);
    expect(next.mayAnswer(100_000, clock.now)).toBe(true);
  });
});
