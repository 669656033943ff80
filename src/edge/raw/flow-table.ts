import { AddressBounds } from '../policy/address-bounds.js';

export const FLOW_BOUNDS = { most: 10_000, mostOfAddress: 64, silentMs: 60_000, amplification: 10 };

/** What a client at one address and port, and a target, say to each other in datagrams. */
export class Flow<Way> {
  way: Way | undefined;
  datagrams = 0;
  bytesIn = 0;
  bytesOut = 0;

  constructor(
    readonly address: string,
    readonly port: number,
    /** When something was said last. */
    public lastAt: number,
  ) {}

  /** @returns whether an answer of so many bytes may be sent: who has sent a single datagram may have lied about where it came from */
  mayAnswer(bytes: number, now: number): boolean {
    const isConfirmed = this.datagrams > 1;
    if (!isConfirmed && this.bytesOut + bytes > FLOW_BOUNDS.amplification * this.bytesIn) return false;
    this.bytesOut += bytes;
    // What nobody has asked for twice keeps no flow.
    if (isConfirmed) this.lastAt = now;
    return true;
  }
}

/** The flows of one UDP port. `Way`: what leads to their target. */
export class FlowTable<Way> {
  private readonly flows = new Map<string, Flow<Way>>();
  private readonly bounds = new AddressBounds(FLOW_BOUNDS.most, FLOW_BOUNDS.mostOfAddress);

  /** @param now in milliseconds, of a clock that never goes back */
  constructor(readonly now: () => number) {}

  get size(): number {
    return this.flows.size;
  }

  [Symbol.iterator](): IterableIterator<Flow<Way>> {
    return this.flows.values();
  }

  get(address: string, port: number): Flow<Way> | undefined {
    return this.flows.get(keyOf({ address, port }));
  }

  /** A datagram came from there. @returns its flow, a new one without a way; undefined when there is no room for it */
  arrived(address: string, port: number, bytes: number): Flow<Way> | undefined {
    const key = keyOf({ address, port });
    let flow = this.flows.get(key);
    if (!flow) {
      if (!this.bounds.enter(address)) return undefined;
      this.flows.set(key, (flow = new Flow(address, port, this.now())));
    }
    flow.datagrams++;
    flow.bytesIn += bytes;
    flow.lastAt = this.now();
    return flow;
  }

  /** Takes those out that have been silent for too long. */
  expired(): Flow<Way>[] {
    const before = this.now() - FLOW_BOUNDS.silentMs;
    const silent = [...this.flows.values()].filter(({ lastAt }) => lastAt <= before);
    for (const flow of silent) this.delete(flow);
    return silent;
  }

  delete(flow: Flow<Way>): void {
    if (this.flows.get(keyOf(flow)) !== flow) return;
    this.flows.delete(keyOf(flow));
    this.bounds.leave(flow.address);
  }
}

const keyOf = ({ address, port }: { address: string; port: number }) => `${address} ${port}`;
