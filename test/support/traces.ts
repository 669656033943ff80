import { createHash } from 'node:crypto';
import { queryDatabase } from './database.js';

const HASHES = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];

/** What everybody can compute of some bytes. */
function hashesOf(bytes: Buffer): string[] {
  return HASHES.flatMap((name) => {
    const digest = createHash(name).update(bytes).digest();
    return [digest.toString('hex'), digest.toString('base64').replace(/=+$/, ''), digest.toString('base64url')];
  });
}

/** Some bytes in any spelling. */
export function spellingsOf(bytes: Buffer): string[] {
  const text = bytes.toString();
  return [
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    // Within longer bytes, at any offset.
    ...[1, 2].map((skipped) =>
      Buffer.concat([Buffer.alloc(skipped), bytes])
        .toString('base64')
        .slice(4, -4),
    ),
    text,
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
  ];
}

/** What would tell of some bytes to who sees it: they themselves, in any spelling, and their hashes. */
export const tracesOf = (bytes: Buffer, spellings = true): string[] => [
  ...hashesOf(bytes),
  ...(spellings ? spellingsOf(bytes) : []),
];

/** Every row of every table as text. */
export async function dumpOf(databaseUrl: string): Promise<string> {
  const tables = await queryDatabase<{ name: string }>(
    databaseUrl,
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  const rows = await queryDatabase<{ row: string }>(
    databaseUrl,
    tables.map(({ name }) => `SELECT t::text AS row FROM ${name} t`).join(' UNION ALL '),
  );
  return rows.map(({ row }) => row).join('\n');
}
