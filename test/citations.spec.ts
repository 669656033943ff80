import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['docs', 'src', 'libs', 'test', 'scripts', 'docker'];

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const ofRoot = readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []));
const files = [...ofRoot, ...FOLDERS.flatMap(filesBelow)].filter((file) => /\.(ts|mjs|md)$/.test(file));
const pages = files.filter((file) => file.endsWith('.md'));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** What of a page can be cited. */
interface Page {
  /** Numbers of its list items, which are rules. */
  rules: string[];
  /** Numbers in front of its headings. */
  sections: Set<string>;
  headings: Set<string>;
  /** As links name headings. */
  anchors: Set<string>;
}

function pageOf(text: string): Page {
  const headings = [...text.matchAll(/^#+ (?:(\d+(?:\.\d+)*)\.? )?(.*)$/gm)];
  return {
    rules: [...text.matchAll(/^(\d+)\. /gm)].map(([, number]) => number!),
    sections: new Set(headings.flatMap(([, number]) => number ?? [])),
    headings: new Set(headings.map(([, , title]) => title!)),
    anchors: new Set(
      headings.map(([line]) =>
        line!
          .replace(/^#+ /, '')
          .toLowerCase()
          .replace(/[^\p{L}\p{N} _-]/gu, '')
          .replace(/ /g, '-'),
      ),
    ),
  };
}

const byPath = new Map(pages.map((file) => [file, pageOf(read(file))]));

const NUMBERS = String.raw`\d+(?:(?:,? and |,? or |, | to |–)\d+)*`;
const MENTION = new RegExp(
  String.raw`(?<foreign>RFC \d+ §[\d.]+)|(?<page>(?:[\w.-]+/)*[\w-]+\.md\b)(?:#(?<anchor>[\w-]+))?|\b[Rr]ules? (?<rules>${NUMBERS})|§(?<section>\d+(?:\.\d+)*)|"(?<heading>[^"]+)"|ADR (?<adr>\d{4})|docs/adr/(?<decision>\d{4})(?!-)`,
  'g',
);
/** Between a page and what is cited of it. */
const BESIDE = /^[`\])(\s,;:]*(?:and|or|to)?[\s,]*$/;
const COMMENT = /(?<=^|\s)\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*(?:\n\s*\/\/[^\n]*)*/g;

interface Block {
  text: string;
  line: number;
}

const oneLine = (text: string) => text.replace(/\n\s*(?:\*|\/\/|--|>)?\s*/g, ' ');

/** Comments and single lines of code; paragraphs of a page. A citation does not reach beyond its block. */
function blocksOf(file: string, text: string): Block[] {
  const blocks: Block[] = [];
  let line = 1;
  const add = (part: string) => {
    if (/\.md|§|[Rr]ules? \d|ADR|adr\//.test(part)) blocks.push({ text: oneLine(part), line });
    line += part.split('\n').length - 1;
  };
  const addAll = (part: string, end: RegExp) => part.split(end).forEach(add);
  // The text of a link to a page says what the link says.
  if (file.endsWith('.md'))
    addAll(text.replace(/\[[\w./-]+\.md\](?=\()/g, ''), /(?<=\n)(?=\s*\n|\s*\||\s*(?:\*|-|\d+\.) |```)/);
  else {
    let from = 0;
    for (const { index, 0: comment } of text.matchAll(COMMENT)) {
      addAll(text.slice(from, index), /(?<=\n)/);
      add(comment);
      from = index + comment.length;
    }
    addAll(text.slice(from), /(?<=\n)/);
  }
  return blocks;
}

/** The page that a text of this file names, or undefined. Code names pages from the root; pages also name those beside them. */
function resolvePage(file: string, named: string): string | undefined {
  const beside = posix.join(dirname(file), named);
  const found = [named, ...(file.endsWith('.md') || named.startsWith('.') ? [beside] : [])].find((path) =>
    byPath.has(path),
  );
  return found;
}

/** What of a citable kind a page has. */
const has = (path: string | undefined, kind: 'rules' | 'sections', number: string): boolean => {
  const page = path === undefined ? undefined : byPath.get(path);
  return page !== undefined && (kind === 'rules' ? page.rules.includes(number) : page.sections.has(number));
};

const decisions = new Set(pages.flatMap((file) => /^docs\/adr\/(\d{4})-/.exec(file)?.[1] ?? []));

/** Every citation of a file that leads nowhere. */
function deadCitations(file: string, text: string): string[] {
  const isPage = file.endsWith('.md');
  const pagesIn = (part: string) => [
    ...new Set(
      [...part.matchAll(MENTION)].flatMap(({ groups }) =>
        groups!['page'] ? (resolvePage(file, groups!['page']) ?? []) : [],
      ),
    ),
  ];
  const ofFile = isPage
    ? [file]
    : pagesIn(oneLine(/^(?:#!.*\n)?\s*(\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*\n)+)/.exec(text)?.[1] ?? ''));
  return blocksOf(file, text).flatMap(({ text: block, line }) => {
    const bad: string[] = [];
    const say = (what: string) => bad.push(`${file}:${line} ${what}`);
    const inBlock = pagesIn(block);
    const check = (kind: 'rules' | 'sections', number: string, beside: string | undefined) => {
      const name = kind === 'rules' ? `rule ${number}` : `§${number}`;
      const citable = (path: string) =>
        (kind === 'rules' ? byPath.get(path)!.rules.length : byPath.get(path)!.sections.size) > 0;
      // Of the page beside it; else of the only one that its comment, then the comment of the file, speaks of.
      const candidates =
        beside !== undefined
          ? [beside]
          : [isPage ? [] : inBlock, ofFile].map((list) => list.filter(citable)).find((list) => list.length > 0);
      if (candidates?.length !== 1) say(`${name} of which page?`);
      else if (!has(candidates[0], kind, number)) say(`${candidates[0]} has no ${name}`);
    };
    let current: string | undefined;
    let end = 0;
    const mentions = [...block.matchAll(MENTION)];
    for (const [i, { index, 0: whole, groups }] of mentions.entries()) {
      if (!BESIDE.test(block.slice(end, index))) current = undefined;
      const { page, anchor, rules, section, heading, adr, decision } = groups!;
      end = index + whole.length;
      if (page !== undefined) {
        current = resolvePage(file, page);
        if (current === undefined) say(`there is no ${page}`);
        else if (anchor !== undefined && !byPath.get(current)!.anchors.has(anchor))
          say(`${current} has no heading #${anchor}`);
      } else if (heading !== undefined) {
        if (current !== undefined && !byPath.get(current)!.headings.has(heading))
          say(`${current} has no heading "${heading}"`);
      } else if (adr !== undefined || decision !== undefined) {
        if (!decisions.has((adr ?? decision)!)) say(`there is no ADR ${adr ?? decision}`);
      } else if (rules !== undefined || section !== undefined) {
        const next = mentions[i + 1];
        const following = next?.groups?.['page'];
        const isOf = following !== undefined && /^ of [[`(]*$/.test(block.slice(end, next!.index));
        const named = isOf ? resolvePage(file, following) : current;
        for (const number of rules?.match(/\d+/g) ?? []) check('rules', number, named);
        if (section !== undefined) check('sections', section, named);
      } else current = undefined;
    }
    return bad;
  });
}

describe('citations', () => {
  it('lead to pages, rules and sections that exist', () => {
    const others = files.filter((file) => file !== 'test/citations.spec.ts');
    expect(others.flatMap((file) => deadCitations(file, read(file)))).toEqual([]);
  });

  it.each([
    ['src/a.ts', '/** As it is told (docs/gone.md). */', 'there is no docs/gone.md'],
    ['src/a.ts', '/** claims.md rule 2 */', 'there is no claims.md'],
    ['src/a.ts', '/** What a key decides\n * (docs/claims.md rules 1 and 99). */', 'docs/claims.md has no rule 99'],
    ['src/a.ts', '/** docs/integration-api.md §3.4, §3.99 */', 'docs/integration-api.md has no §3.99'],
    ['src/a.ts', '/** docs/claims.md "No such heading" */', 'docs/claims.md has no heading "No such heading"'],
    ['src/a.ts', '/** A use is spent once (rule 3). */', 'rule 3 of which page?'],
    [
      'test/a.spec.ts',
      "/** Sessions (docs/agent-protocol.md). */\nit('rule 99: is there', () => {});",
      'docs/agent-protocol.md has no rule 99',
    ],
    ['test/a.spec.ts', "it('rule 3: is there', () => {});", 'rule 3 of which page?'],
    ['src/a.ts', '/** Why: ADR 9999, docs/adr/9998 */', 'there is no ADR 9999'],
    ['docs/newt.md', 'See rule 99 of [claims.md](docs/claims.md).', 'docs/claims.md has no rule 99'],
    ['docs/newt.md', 'See [claims](claims.md#no-such-heading).', 'docs/claims.md has no heading #no-such-heading'],
  ])('of the kind of %s %j are seen when they are dead', (file, text, problem) => {
    expect(deadCitations(file, text).map((bad) => bad.replace(/^\S+ /, ''))).toContain(problem);
  });

  it.each([
    ['src/a.ts', '/** RFC 9110 §8.8.3 is cited by itself. */'],
    ['src/a.ts', '/** By rules 4 and 5 of docs/claims.md. */'],
    [
      'src/a.ts',
      '/** A form (docs/claims.md "Tokens"; docs/integration-api.md §3.16). Contradictions are refused (rule 8). */',
    ],
    ['test/a.spec.ts', "// The rules of docs/claims.md.\nit('rule 15', () => {});"],
    ['docs/claims.md', 'As in rule 3, and in §2.1 of [newt.md](newt.md).'],
  ])('that are alive pass: %s %j', (file, text) => {
    expect(deadCitations(file, text)).toEqual([]);
  });
});

describe('pages', () => {
  it.each(['docs/claims.md', 'docs/agent-protocol.md'])('%s counts its rules from 1, each once', (file) => {
    const { rules } = byPath.get(file)!;
    expect(rules).toEqual(rules.map((_, i) => String(i + 1)));
  });

  it('name files of the repository that exist', () => {
    const named = (file: string) => [
      ...read(file).matchAll(/(?<![\w/.-])(?:src|libs|test|scripts|docker)\/[\w./-]+\.(?:ts|mjs|sh|sql|yml|json)\b/g),
    ];
    expect(
      pages.flatMap((file) =>
        named(file).flatMap(([path]) => (existsSync(join(root, path)) ? [] : `${file} names ${path}`)),
      ),
    ).toEqual([]);
  });

  it.each([...decisions].sort())('decision %s has date, status and alternatives, and is in the list', (number) => {
    const file = pages.find((path) => path.startsWith(`docs/adr/${number}-`))!;
    expect(read(file)).toMatch(/^# \d{4} .+\n\nDate: \d{4}-\d{2}-\d{2}\. Status: (?:accepted|replaced)/);
    expect(read(file)).toContain('**Alternatives.**');
    expect(read('docs/adr/README.md')).toContain(`(${posix.basename(file)})`);
  });
});
