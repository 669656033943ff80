import { describe, expect, it } from 'vitest';
import { DependencyAllow } from './dependency-allow.js';

const allows = (pattern: string, url: string) => new DependencyAllow([pattern]).allows(new URL(url));

describe('--dependency-allow', () => {
  it('allows every host when it is not given', () => {
    expect(new DependencyAllow([]).allows(new URL('http://anywhere/'))).toBe(true);
  });

  it.each([
    ['files.example.com', 'https://files.example.com/x', true],
    ['files.example.com', 'http://files.example.com:8080/x', true],
    ['FILES.example.com', 'https://files.example.com/x', true],
    ['files.example.com', 'https://a.files.example.com/x', false],
    ['files.example.com', 'https://files.example.com.evil.test/x', false],
    ['files.example.com', 'https://evilfiles.example.com/x', false],
    ['files.example.com', 'https://files.example.com@evil.test/x', false],
    ['files.example.com:8443', 'https://files.example.com:8443/x', true],
    ['files.example.com:8443', 'https://files.example.com/x', false],
    ['files.example.com:443', 'https://files.example.com/x', true],
    ['*.example.com', 'https://a.b.example.com/x', true],
    ['*.example.com', 'https://example.com/x', false],
    ['*.example.com', 'https://badexample.com/x', false],
    ['10.0.0.7', 'http://10.0.0.7/x', true],
    ['[::1]:8080', 'http://[::1]:8080/x', true],
    ['https://files.example.com/models/', 'https://files.example.com/models/7.bin', true],
    ['https://files.example.com/models', 'https://files.example.com/models/7.bin', true],
    ['https://files.example.com/models', 'https://files.example.com/models2/7.bin', false],
    ['https://files.example.com/models/', 'https://files.example.com/models/../secret', false],
    ['https://files.example.com/models/', 'https://files.example.com/models/%2e%2e/secret', false],
    ['https://files.example.com/models/', 'http://files.example.com/models/7.bin', false],
    ['https://files.example.com', 'https://files.example.com:8443/', false],
    ['https://*.example.com/m/', 'https://a.example.com/m/1', true],
  ])('%s, asked for %s: %s', (pattern, url, allowed) => {
    expect(allows(pattern, url)).toBe(allowed);
  });

  it.each(['', 'ftp://host/', 'host/path', '*', 'a*.example.com', 'https://user@host/', 'https://host/?q', 'a b'])(
    '%j is refused',
    (pattern) => {
      expect(() => new DependencyAllow([pattern])).toThrow(expect.objectContaining({ code: 78 }));
    },
  );
});
