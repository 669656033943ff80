import { enrolLine } from '../../../../contracts/index.js';
import { type AgentSettings, type Enrolment, installerOptions, keyFile, type Snippet, variables } from './enrolment';

/** One line, for somebody who sits at the machine. */
export const shell = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'shell',
  steps: [
    {
      language: 'shell',
      text: agent.certificate
        ? `${keyFile(enrolment.key)}
curl -fsS ${enrolment.endpoint}/install.sh -o install.sh
sh install.sh --key-file gatehouse.key ${installerOptions(agent)} && rm gatehouse.key`
        : enrolLine(enrolment.endpoint, enrolment.key, agent.trustFingerprint),
    },
  ],
});

const INSTALL = (enrolment: Enrolment, agent: AgentSettings): string =>
  [
    `curl -fsS ${enrolment.endpoint}/install.sh -o /root/gatehouse-install.sh`,
    `sh /root/gatehouse-install.sh --key-file /root/gatehouse.key ${installerOptions(agent)}`,
    'rm /root/gatehouse.key',
  ].join(' && ');

export const cloudInit = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'cloud-init',
  steps: [
    {
      file: 'user-data',
      language: 'yaml',
      text: `#cloud-config
packages: [curl, nodejs]
write_files:
  - path: /root/gatehouse.key
    permissions: "0600"
    content: |
      ${enrolment.key}
runcmd:
  - ["sh", "-c", "${INSTALL(enrolment, agent)}"]`,
    },
  ],
});

/** For an image that is built once: the key is put beside the unit when a machine is made of it. */
export const systemd = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'systemd',
  steps: [
    {
      language: 'shell',
      text: `${keyFile(enrolment.key, '/etc/gatehouse-agent.key')}
curl -fsS ${enrolment.endpoint}/agent/gatehouse-agent.mjs -o /usr/local/lib/gatehouse-agent.mjs`,
    },
    {
      file: '/etc/systemd/system/gatehouse-agent.service',
      language: 'ini',
      text: `[Unit]
Description=Gatehouse agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
LoadCredential=provisioning-key:/etc/gatehouse-agent.key
${variables(agent)
  .map(([name, value]) => `Environment=${name}=${value}`)
  .join('\n')}
Environment=CONFIG_FILE=/var/lib/gatehouse-agent/config.json
Environment=NEWT_PROVISIONING_KEY_FILE=%d/provisioning-key
ExecStart=/usr/bin/node /usr/local/lib/gatehouse-agent.mjs
StateDirectory=gatehouse-agent
StateDirectoryMode=0700
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=64 65 73 77 78

[Install]
WantedBy=multi-user.target`,
    },
    { language: 'shell', text: 'systemctl daemon-reload && systemctl enable --now gatehouse-agent' },
  ],
});

/** The key comes by standard input and from a file of its own, which \`ansible-vault encrypt\` makes unreadable. */
export const ansible = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'ansible',
  steps: [
    { file: 'gatehouse-key.yml', language: 'yaml', text: `gatehouse_key: "${enrolment.key}"` },
    { language: 'shell', text: 'ansible-vault encrypt gatehouse-key.yml' },
    {
      file: 'gatehouse.yml',
      language: 'yaml',
      text: `- name: Enrol with Gatehouse
  hosts: all
  become: true
  vars_files: [gatehouse-key.yml]
  tasks:
    - name: Fetch the installer
      ansible.builtin.get_url:
        url: ${enrolment.endpoint}/install.sh
        dest: /root/gatehouse-install.sh
        mode: "0700"
    - name: Install the agent, and enrol what is not enrolled
      ansible.builtin.command:
        argv: [sh, /root/gatehouse-install.sh, --key-file, "-", ${installerOptions(agent).split(' ').join(', ')}]
        stdin: "{{ gatehouse_key }}"
      no_log: true`,
    },
  ],
});

/** The key is a variable that comes from a file, so that it stands in no configuration. */
export const terraform = (enrolment: Enrolment, agent: AgentSettings): Snippet => ({
  kind: 'terraform',
  steps: [
    {
      file: 'gatehouse.tf',
      language: 'hcl',
      text: `variable "gatehouse_key" {
  type      = string
  sensitive = true
}

locals {
  # user_data of an instance, by whatever name your provider has for it.
  gatehouse_user_data = "#cloud-config\\n\${yamlencode({
    packages = ["curl", "nodejs"]
    write_files = [{
      path        = "/root/gatehouse.key"
      permissions = "0600"
      content     = var.gatehouse_key
    }]
    runcmd = [["sh", "-c", "${INSTALL(enrolment, agent)}"]]
  })}"
}`,
    },
    {
      language: 'shell',
      text: `${keyFile(enrolment.key)}
TF_VAR_gatehouse_key="$(cat gatehouse.key)" terraform apply`,
    },
  ],
});
