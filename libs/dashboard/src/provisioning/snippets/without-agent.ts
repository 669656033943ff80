import { type Enrolment, keyFile, type Snippet } from './enrolment';

/** An unmodified newt takes the key out of the file once it has claimed. */
export const newt = ({ endpoint, key }: Enrolment): Snippet => ({
  kind: 'newt',
  steps: [
    {
      language: 'shell',
      text: `umask 077
mkdir -p ~/.config/newt-client
cat > ~/.config/newt-client/config.json <<'JSON'
${JSON.stringify({ endpoint, provisioningKey: key }, null, 2)}
JSON
newt`,
    },
  ],
});

/** A program of one's own: the body comes by standard input, the answer holds the credential. */
export const http = ({ endpoint, key }: Enrolment): Snippet => ({
  kind: 'http',
  steps: [
    {
      language: 'shell',
      text: `umask 077
curl -fsS ${endpoint}/api/v1/provision -H 'Content-Type: application/json' \\
  --data-binary @- -o gatehouse-credential.json <<JSON
{"provision_key": "${key}", "hardware_id": "$(cat /etc/machine-id)"}
JSON`,
    },
  ],
});

/** RFC 7030, over TLS only. curl reads user and password from standard input. */
export const est = ({ endpoint, key }: Enrolment): Snippet => ({
  kind: 'est',
  steps: [
    {
      language: 'shell',
      text: `${keyFile(key)}
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout device.key -subj /CN=device -outform DER | base64 > device.b64
printf 'user = "%s:%s"\\n' "$(cat /etc/machine-id)" "$(cat gatehouse.key)" |
  curl -fsS --config - -H 'Content-Type: application/pkcs10' --data-binary @device.b64 \\
    ${endpoint}/.well-known/est/simpleenroll | base64 -d | openssl pkcs7 -inform DER -print_certs > device.pem`,
    },
  ],
});
