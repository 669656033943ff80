import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const README = new URL('../../README.md', import.meta.url);

/** Whether this machine has a program. */
export const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

function sectionOf(title: string): string {
  const section = readFileSync(README, 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith(`${title}\n`));
  if (section === undefined) throw new Error(`The README has no section ${title}`);
  return section;
}

/** @returns the blocks of shell lines in a section of the README, by what the line before has in bold, or by `1`, `2`, … */
export function shellBlocks(title: string): Map<string, string> {
  const found = [...sectionOf(title).matchAll(/([^\n]*)\n\n```sh\n([\s\S]*?)```/g)];
  return new Map(found.map(([, before, lines], i) => [/\*\*(.+?)\*\*/.exec(before!)?.[1] ?? String(i + 1), lines!]));
}

/** @returns the rows of the table in a section, without its head. */
export const tableRows = (title: string): string[] => (sectionOf(title).match(/^\|.*$/gm) ?? []).slice(2);
