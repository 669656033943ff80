import type { Resolved } from '../config/options.js';

/** Every setting with its value and where it comes from; secrets are masked. */
export function showConfig(configFile: string, resolved: Resolved): string {
  const rows = resolved.all.map(({ setting, value, sources }) => {
    const text = Array.isArray(value) ? value.join(', ') : String(value);
    return [setting.key, text === '' ? '-' : setting.secret ? '********' : text, sources.join('+')] as const;
  });
  const table = [['configFile', configFile, ''] as const, ...rows];
  const width = (column: 0 | 1) => Math.min(Math.max(...table.map((row) => row[column].length)), 60);
  return `${table.map(([key, value, source]) => `${key.padEnd(width(0))}  ${value.padEnd(width(1))}  ${source}`.trimEnd()).join('\n')}\n`;
}
