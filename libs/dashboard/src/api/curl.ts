import type { Call } from './written';

/** What a page does, for somebody's script: by the same path, with an API key in place of the session. */
export function curlOf(call: Call): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [
    `curl -X ${call.method.toUpperCase()} ${quote(`${location.origin}/api/v1${call.path}`)}`,
    `-H "Authorization: Bearer $GATEHOUSE_API_KEY"`,
  ];
  if (call.body !== undefined)
    lines.push(`-H 'Content-Type: application/json'`, `-d ${quote(JSON.stringify(call.body))}`);
  return lines.join(' \\\n  ');
}
