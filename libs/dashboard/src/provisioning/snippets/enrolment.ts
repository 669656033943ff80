/** What a machine is given to enrol, as the API answers it with a new secret. */
export interface Enrolment {
  /** The whole provisioning key. */
  key: string;
  trustFingerprint: string;
  /** Where newts and agents claim. */
  endpoint: string;
  /** Where certificates are claimed; null: the server has no port for them. */
  deviceEndpoint: string | null;
}

/** What of a key's template says who may claim, and what they get. */
export interface TemplateDoor {
  newtDoor: boolean;
  credentialType: 'api_key' | 'psk' | 'certificate';
}

export type Language = 'shell' | 'yaml' | 'ini' | 'hcl';

/** A file, or lines for a shell. */
export interface Step {
  /** Name of the file; absent: to be run. */
  file?: string;
  language: Language;
  text: string;
}

export interface Snippet {
  kind: SnippetKind;
  steps: Step[];
}

export type SnippetKind =
  | 'shell'
  | 'cloud-init'
  | 'systemd'
  | 'docker'
  | 'compose'
  | 'kubernetes'
  | 'ansible'
  | 'terraform'
  | 'newt'
  | 'http'
  | 'est';

/** How Gatehouse's agent is to claim. */
export interface AgentSettings {
  endpoint: string;
  trustFingerprint: string;
  /** Instead of a newt's credential. */
  certificate: boolean;
}

/** The agent's settings as variables of its environment. */
export const variables = ({
  endpoint,
  trustFingerprint,
  certificate,
}: AgentSettings): [name: string, value: string][] => [
  ['PANGOLIN_ENDPOINT', endpoint],
  ['GATEHOUSE_TRUST_FINGERPRINT', trustFingerprint],
  ...(certificate ? [['GATEHOUSE_CREDENTIAL', 'certificate'] as [string, string]] : []),
];

/** Arguments of the installer, behind the name of the file with the key. */
export const installerOptions = ({ endpoint, trustFingerprint, certificate }: AgentSettings): string =>
  `--trust-fingerprint ${trustFingerprint}${certificate ? ` --credential certificate --endpoint ${endpoint}` : ''}`;

/** Puts the key into a file that nobody else may read; it is no argument of a program, which others could see. */
export const keyFile = (key: string, path = 'gatehouse.key'): string => `umask 077
cat > ${path} <<'KEY'
${key}
KEY`;
