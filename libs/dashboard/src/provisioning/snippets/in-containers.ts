import { type AgentSettings, type Enrolment, type Snippet, variables } from './enrolment';

/** In a folder that nobody else may enter; readable in it, since the program in the container is another user. */
const sharedKey = (key: string): string => `mkdir -p -m 700 gatehouse
cat > gatehouse/key <<'KEY'
${key}
KEY
chmod 444 gatehouse/key`;

const BUILD = '# Once, in a clone of Gatehouse: docker build -f docker/agent.Dockerfile -t gatehouse-agent .';

export const docker = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'docker',
  steps: [
    {
      language: 'shell',
      text: `${BUILD}
${sharedKey(enrolment.key)}
docker run -d --name gatehouse-agent --restart on-failure:10 \\
  -v gatehouse-agent:/state -v "$PWD/gatehouse/key:/run/secrets/gatehouse_key:ro" \\
${variables(agent)
  .map(([name, value]) => `  -e ${name}=${value} \\\n`)
  .join('')}  -e NEWT_PROVISIONING_KEY_FILE=/run/secrets/gatehouse_key \\
  gatehouse-agent`,
    },
  ],
});

export const compose = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'compose',
  steps: [
    { language: 'shell', text: `${BUILD}\n${sharedKey(enrolment.key)}` },
    {
      file: 'compose.yml',
      language: 'yaml',
      text: `services:
  gatehouse-agent:
    image: gatehouse-agent
    restart: on-failure:10
    environment:
${variables(agent)
  .map(([name, value]) => `      ${name}: "${value}"\n`)
  .join('')}      NEWT_PROVISIONING_KEY_FILE: /run/secrets/gatehouse_key
    secrets: [gatehouse_key]
    volumes:
      - gatehouse-agent:/state

secrets:
  gatehouse_key:
    file: ./gatehouse/key

volumes:
  gatehouse-agent:`,
    },
    { language: 'shell', text: 'docker compose up -d' },
  ],
});

/** Each pod is a site of its own and keeps it, on a volume of its own. */
export const kubernetes = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'kubernetes',
  steps: [
    {
      language: 'shell',
      text: `${BUILD}
kubectl create secret generic gatehouse-key --from-file=key=/dev/stdin <<'KEY'
${enrolment.key}
KEY`,
    },
    {
      file: 'gatehouse-agent.yml',
      language: 'yaml',
      text: `apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: gatehouse-agent
spec:
  replicas: 1
  serviceName: gatehouse-agent
  selector:
    matchLabels: { app: gatehouse-agent }
  template:
    metadata:
      labels: { app: gatehouse-agent }
    spec:
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 }
      containers:
        - name: agent
          image: gatehouse-agent
          env:
${[...variables(agent), ['NEWT_PROVISIONING_KEY_FILE', '/run/secrets/gatehouse/key']]
  .map(([name, value]) => `            - { name: ${name}, value: "${value}" }\n`)
  .join('')}          volumeMounts:
            - { name: key, mountPath: /run/secrets/gatehouse, readOnly: true }
            - { name: state, mountPath: /state }
      volumes:
        - name: key
          secret: { secretName: gatehouse-key, defaultMode: 0440 }
  volumeClaimTemplates:
    - metadata:
        name: state
      spec:
        accessModes: [ReadWriteOnce]
        resources: { requests: { storage: 64Mi } }`,
    },
    { language: 'shell', text: 'kubectl apply -f gatehouse-agent.yml' },
  ],
});
