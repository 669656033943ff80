import { Injectable } from '@nestjs/common';
import {
  type Blueprint,
  type FromLabels,
  fromDockerLabels,
  type LabelledContainer,
  maskSecrets,
  type Parsed,
  type ParseOptions,
  parse,
  placesOf,
  toYaml,
} from '#blueprint';
import { isReadQuickly } from '#document';
import { TaskTooLarge, type Turn, Workers } from '#platform';

/** Up to this many bytes writing costs less than handing the model to a worker thread. */
const SMALL = 16 * 1024;
/** What can make a short document expensive: `regex`, or escapes and templates that spell it. Compiling a pattern costs what its author likes. */
const MAY_COST_MORE = /regex|\\|\{\{/;

/** Reads and writes blueprints: what is not read quickly for certain, in a worker thread. */
@Injectable()
export class Documents {
  constructor(private readonly workers: Workers) {}

  /**
   * As `parse`; the answer for a document that costs too much is a problem that says so. Places in a single line of JSON are left out: a program
   * wrote it, and nobody sees its columns. @throws capacity
   */
  async read(turn: Turn, text: string, options: Omit<ParseOptions, 'templates'> = {}): Promise<Parsed> {
    const parsed = await this.parsed(turn, text, options);
    return parsed.ok || !isOneLineOfJson(text)
      ? parsed
      : { ...parsed, problems: parsed.problems.map((problem) => ({ ...problem, ...NO_PLACE })) };
  }

  private async parsed(turn: Turn, text: string, options: Omit<ParseOptions, 'templates'>): Promise<Parsed> {
    if (isCheap(text)) return parse(text, options);
    try {
      return await this.workers.run<typeof parse>(turn, 'parse', text, options);
    } catch (error) {
      if (!(error instanceof TaskTooLarge)) throw error;
      return {
        ok: false,
        model: undefined,
        problems: [{ path: '', message: `the document ${error.message}`, ...NO_PLACE }],
      };
    }
  }

  /** As `fromDockerLabels`. @throws capacity */
  async fromLabels(turn: Turn, containers: LabelledContainer[]): Promise<FromLabels> {
    if (isCheap(JSON.stringify(containers))) return fromDockerLabels(containers);
    try {
      return await this.workers.run<typeof fromDockerLabels>(turn, 'fromDockerLabels', containers);
    } catch (error) {
      if (!(error instanceof TaskTooLarge)) throw error;
      const problems = [{ path: '', message: `what the labels say ${error.message}`, ...NO_PLACE }];
      return { parsed: { ok: false, model: undefined, problems }, wrong: [] };
    }
  }

  /** As `placesOf`; no places for a document that costs too much, nor in a single line of JSON. @throws capacity */
  async places(
    turn: Turn,
    text: string,
    options: Omit<ParseOptions, 'templates'>,
    paths: string[],
  ): Promise<ReturnType<typeof placesOf>> {
    if (isOneLineOfJson(text)) return [];
    if (isCheap(text)) return placesOf(text, options, paths);
    try {
      return await this.workers.run<typeof placesOf>(turn, 'placesOf', text, options, paths);
    } catch (error) {
      if (!(error instanceof TaskTooLarge)) throw error;
      return [];
    }
  }

  /** The document as the history keeps it, without secrets: ready before a transaction, for the case that it needs it. @throws capacity */
  async contents(turn: Turn, model: Blueprint): Promise<() => string> {
    const masked = maskSecrets(model);
    if (JSON.stringify(masked).length <= SMALL) return () => toYaml(masked);
    try {
      const text = await this.workers.run<typeof toYaml>(turn, 'toYaml', masked);
      return () => text;
    } catch (error) {
      if (!(error instanceof TaskTooLarge)) throw error;
      return () => '# too large to be written down\n';
    }
  }
}

const NO_PLACE = { line: 0, column: 0 };

const isOneLineOfJson = (text: string) => /^\{.*$/.test(text.trim());

const isCheap = (text: string) => isReadQuickly(text) && !MAY_COST_MORE.test(text);
