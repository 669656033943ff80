import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type Invocation, parseFlags } from '../libs/agent/src/cli/flags.js';
import { SETTINGS } from '../libs/agent/src/config/settings.js';

const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../docker/${name}`, import.meta.url)), 'utf8');

/** The words of an instruction in JSON form; of the last one, which counts. */
const words = (dockerfile: string, instruction: string): string[] =>
  JSON.parse(
    read(dockerfile)
      .match(new RegExp(`^${instruction} (\\[.*\\])$`, 'gm'))!
      .at(-1)!
      .slice(instruction.length),
  ) as string[];
/** What comes behind the agent's program in an entrypoint. */
const behindAgent = (entrypoint: string[]): string[] =>
  entrypoint.slice(entrypoint.findIndex((word) => word.endsWith('gatehouse-agent.mjs')) + 1);

const ENTRYPOINT = words('instance/Dockerfile', 'ENTRYPOINT');
const settingOf = (name: string) => SETTINGS.find(({ env }) => env === name);

interface Container {
  image: string;
  args?: string[];
  env?: { name: string; value: string }[];
  volumeMounts: { name: string; mountPath: string }[];
}
interface Pod {
  securityContext?: Record<string, unknown>;
  initContainers?: Container[];
  containers: Container[];
  volumes: { name: string; secret?: { secretName: string }; emptyDir?: { medium?: string } }[];
}
function workload(name: string) {
  const documents = parseAllDocuments(read(`instance/${name}`));
  expect(documents.flatMap((document) => ('errors' in document ? document.errors : []))).toEqual([]);
  expect(documents).toHaveLength(1);
  return documents[0]!.toJS() as {
    kind: string;
    spec: {
      selector: { matchLabels: object };
      template: { metadata: { labels: object }; spec: Pod };
      volumeClaimTemplates?: { metadata: { name: string } }[];
    };
  };
}

/** The variables of a container are settings of the agent, and the key is a file of a mounted secret. */
function expectSettings({ env = [], volumeMounts }: Container, pod: Pod): void {
  for (const { name } of env) expect([name, settingOf(name)?.use]).toEqual([name, 'used']);
  const names = env.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['PANGOLIN_ENDPOINT', 'GATEHOUSE_TRUST_FINGERPRINT']));
  const key = env.find(({ name }) => name === 'NEWT_PROVISIONING_KEY_FILE')!.value;
  const mount = volumeMounts.find(({ mountPath }) => key.startsWith(`${mountPath}/`))!;
  expect(pod.volumes.find(({ name }) => name === mount.name)?.secret?.secretName).toBe('gatehouse-key');
}

describe('images with the agent', () => {
  it.each(['agent.Dockerfile', 'instance/Dockerfile'])(
    '%s has tini, which the image installs, as process 1',
    (name) => {
      expect(words(name, 'ENTRYPOINT').slice(0, 2)).toEqual(['tini', '--']);
      expect(read(name)).toMatch(/apt-get install -y --no-install-recommends (\S+ )*tini /);
    },
  );

  it('an instance takes from the agent what is there, and runs it', () => {
    const copied = [...read('instance/Dockerfile').matchAll(/^COPY --from=agent (\S+) (\S+)$/gm)];
    const placed = [...read('agent.Dockerfile').matchAll(/^COPY .* (\/\S+)$/gm)].map(([, target]) => target);
    expect(placed).toContain(copied[1]![1]);
    expect(ENTRYPOINT.slice(2, 4)).toEqual(copied.map(([, , target]) => target));
    const invocation = parseFlags([...behindAgent(ENTRYPOINT), ...words('instance/Dockerfile', 'CMD')]);
    expect(invocation).toMatchObject({
      command: 'run',
      configFile: '/state/agent.json',
      words: ['nginx', '-g', 'daemon off;'],
    } satisfies Partial<Invocation>);
    expect(read('instance/Dockerfile')).toMatch(/^VOLUME \/state$/m);
  });

  it('in Compose has its key as a secret, where the image looks for it, and its state in a volume', () => {
    const { services, secrets, volumes } = parse(read('instance/compose.yml')) as {
      services: { web: { environment: Record<string, string>; secrets: string[]; volumes: string[] } };
      secrets: Record<string, { file: string }>;
      volumes: Record<string, null>;
    };
    const key = /^ENV (\w+)=\/run\/secrets\/(\w+)$/m.exec(read('instance/Dockerfile'))!;
    expect(settingOf(key[1]!)?.key).toBe('provisioningKeyFile');
    expect(services.web.secrets).toEqual([key[2]]);
    expect(Object.keys(secrets)).toEqual([key[2]]);
    for (const name of Object.keys(services.web.environment))
      expect([name, settingOf(name)?.use]).toEqual([name, 'used']);
    expect(services.web.volumes).toEqual(Object.keys(volumes).map((name) => `${name}:/state`));
  });

  it('in Kubernetes fetches a bundle into memory, for the user of the program', () => {
    const { kind, spec } = workload('kubernetes-init.yaml');
    expect(kind).toBe('Deployment');
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    const pod = spec.template.spec;
    const [agent] = pod.initContainers!;
    expectSettings(agent!, pod);
    const invocation = parseFlags([...behindAgent(words('agent.Dockerfile', 'ENTRYPOINT')), ...agent!.args!]);
    expect(invocation).toMatchObject({ command: 'bundle-pull', out: '/bundle/files', envFile: '/bundle/env' });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
    for (const container of [agent!, pod.containers[0]!])
      expect(container.volumeMounts).toContainEqual(expect.objectContaining({ name: 'bundle', mountPath: '/bundle' }));
    expect(pod.volumes.find(({ name }) => name === 'bundle')?.emptyDir?.medium).toBe('Memory');
    expect(agent!.volumeMounts).toContainEqual({ name: 'state', mountPath: '/state' });
  });

  it('in Kubernetes runs a program that keeps its site', () => {
    const { kind, spec } = workload('kubernetes-run.yaml');
    expect(kind).toBe('StatefulSet');
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    const pod = spec.template.spec;
    expectSettings(pod.containers[0]!, pod);
    const claims = spec.volumeClaimTemplates!.map(({ metadata }) => metadata.name);
    expect(pod.containers[0]!.volumeMounts.map(({ name }) => name).sort()).toEqual(
      [...claims, ...pod.volumes.map(({ name }) => name)].sort(),
    );
    expect(pod.containers[0]!.volumeMounts).toContainEqual({ name: 'state', mountPath: '/state' });
  });
});
