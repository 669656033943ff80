import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import packet from 'dns-packet';

/** A name server on loopback. */
export interface TestDns {
  /** For DNS_RESOLVERS. */
  address: string;
  /** Records by `TYPE name`, such as `NS example.com`; a name without any does not exist. */
  records: Map<string, string[]>;
  /** Every question, as `TYPE name`. */
  questions: string[];
  close(): Promise<void>;
}

/** Answers NS and CNAME questions from `records`, over UDP. */
export async function startDns(): Promise<TestDns> {
  const socket = createSocket('udp4');
  const records = new Map<string, string[]>();
  const questions: string[] = [];
  socket.on('message', (message, from) => {
    const query = packet.decode(message);
    const [question] = query.questions ?? [];
    const key = `${question!.type} ${question!.name.toLowerCase()}`;
    questions.push(key);
    const found = records.get(key) ?? [];
    const known = [...records.keys()].some((k) => k.endsWith(` ${question!.name.toLowerCase()}`));
    const answer = packet.encode({
      type: 'response',
      id: query.id!,
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (known ? 0 : 3),
      questions: query.questions ?? [],
      answers: found.map((data) => ({ type: question!.type as 'NS' | 'CNAME', name: question!.name, ttl: 1, data })),
    });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    records,
    questions,
    close: () => new Promise((done) => socket.close(() => done())),
  };
}
