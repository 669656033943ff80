import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };
const found = (file: string, pattern: RegExp) => pattern.exec(read(file))?.[1];

/** What runs is in test/e2e/version.e2e-spec.ts; here is what is written where no code can put it. */
it('the version of package.json is written alike wherever it has to be written again', () => {
  const lock = JSON.parse(read('package-lock.json')) as { version: string; packages: Record<string, object> };
  expect({
    lock: lock.version,
    'root of the lock': (lock.packages[''] as { version: string }).version,
    'server image': found('docker/server.Dockerfile', /image\.version="([^"]+)"/),
    'agent image': found('docker/agent.Dockerfile', /image\.version="([^"]+)"/),
    README: found('README.md', /^Gatehouse (\S+) is running\.$/m),
    'newest release of the CHANGELOG': found('CHANGELOG.md', /^## \[(\d[^\]]*)\]/m),
    'supported version': found('SECURITY.md', /which is \[([\d.]+)\]/),
  }).toEqual({
    lock: version,
    'root of the lock': version,
    'server image': version,
    'agent image': version,
    README: version,
    'newest release of the CHANGELOG': version,
    'supported version': version.split('.').slice(0, 2).join('.'),
  });
});

it('the agent has no version of its own', () => {
  expect(JSON.parse(read('libs/agent/package.json'))).not.toHaveProperty('version');
});
