import { describe, expect, it } from 'vitest';
import { dockerAddress, withoutPassword } from './docker-address.js';

/** Where a request to an address goes. */
function goes(setting: string): object {
  const asked = dockerAddress(setting).request('/events');
  asked.on('error', () => undefined);
  const { host, protocol, path } = asked;
  const port = /:(\d+)$/.exec(String(asked.getHeader('host')))?.[1];
  const socket = (asked as unknown as { socketPath?: string }).socketPath;
  asked.destroy();
  return socket === undefined ? { to: `${protocol}//${host}:${port ?? 'default'}${path}` } : { socket };
}

describe('the address of a Docker engine', () => {
  it.each([
    ['/var/run/docker.sock', { socket: '/var/run/docker.sock' }],
    ['unix:///var/run/docker.sock', { socket: '/var/run/docker.sock' }],
    ['run/docker.sock', { socket: 'run/docker.sock' }],
    ['tcp://127.0.0.1:2375', { to: 'http://127.0.0.1:2375/events' }],
    ['tcp://127.0.0.1', { to: 'http://127.0.0.1:2375/events' }],
    ['TCP://127.0.0.1:1', { to: 'http://127.0.0.1:1/events' }],
    ['http://127.0.0.1:8080/', { to: 'http://127.0.0.1:8080/events' }],
    ['http://127.0.0.1:80/docker', { to: 'http://127.0.0.1:default/docker/events' }],
    ['tcp://[::1]:2375', { to: 'http://::1:2375/events' }],
    ['https://127.0.0.1', { to: 'https://127.0.0.1:2376/events' }],
  ])('%s is read', (setting, where) => {
    expect(goes(setting)).toEqual(where);
  });

  it.each([
    ['ssh://host', 'ssh:// is none of unix://, tcp://, http:// and https://'],
    ['npipe:////./pipe/docker_engine', 'npipe:// is none of'],
    ['tcp://', 'names no host'],
    ['tcp://host:port', 'no host and port'],
    ['tcp://:secret@host', 'more than a host, a port and a path'],
    ['tcp://user:secret@host', 'more than a host, a port and a path'],
    ['unix://', 'names no socket'],
  ])('%s is refused, with the reason', (setting, problem) => {
    expect(() => dockerAddress(setting)).toThrow(problem);
  });

  it('never stands in the log with its password', () => {
    expect(withoutPassword('tcp://user:secret@host:2375')).toBe('tcp://…@host:2375');
    expect(withoutPassword('tcp://host/a@b')).toBe('tcp://host/a@b');
  });
});
