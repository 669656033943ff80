import { DOCUMENT_LIMITS } from './node.js';

/*
 * A template's place is kept by a token of the same length made of noncharacters, which no text may hold: the parser sees one word
 * without any meaning of its own, and every line and column stays where it was.
 */
const FIRST = 0xfdd0;
const BASE = 28;
const START = '\uFDEE';
const END = '\uFDEF';
const FILL = '\uFDED';
/**
 * Quotes only around a default, or a text that stands for itself and does not begin as what lies between two texts of one line would
 * (`["{{","}}"]`): that is no template. What this misses is refused when it is read.
 */
const TEMPLATE =
  /\{\{(?:(?:[^{}"'\n\r,|]*\|[ \t]*default[ \t]+|[ \t]*(?!"[ \t]*(?:[,:\]]|\}(?!\}))))(?:"[^"\n\r\\]*"|\\"[^"\n\r\\]*\\")[ \t]*(?:\|[^{}"'\n\r,]*)?|[^{}"'\n\r,]+)\}\}/g;
const TOKEN = /\uFDEE([\uFDD0-\uFDEB]{3})\uFDED*\uFDEF/g;
/** Control characters but tab and line ends, halves of characters, noncharacters. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** A template as it stands in a text. */
export type WrittenTemplate = { raw: string; at: number };

/** A document's text with its templates taken out, and the way back to lines and columns. */
export class Source {
  /** What the parser sees. */
  readonly masked: string;
  readonly templates: WrittenTemplate[] = [];
  /** Without a byte order mark. */
  readonly text: string;
  private readonly lineStarts: number[] = [0];

  /** @param literal what looks like a template is text */
  constructor(text: string, literal = false) {
    this.text = text.startsWith('\uFEFF') ? ` ${text.slice(1)}` : text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.lineStarts.push(at + 1);
    this.masked = literal
      ? this.text
      : this.text.replace(TEMPLATE, (raw: string, at: number) => {
          if (this.templates.length >= DOCUMENT_LIMITS.templates) return raw;
          const index = this.templates.push({ raw, at }) - 1;
          return tokenOf(index, raw.length);
        });
  }

  place(offset: number): { line: number; column: number } {
    let [low, high] = [0, this.lineStarts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.lineStarts[low] ?? 0) + 1 };
  }

  /** Puts something else where the templates were; undefined when there were none. */
  replaceTemplates(masked: string, by: (template: WrittenTemplate) => string): string | undefined {
    if (!masked.includes(START)) return undefined;
    return masked.replace(TOKEN, (token, digits: string) => {
      const template = this.templates[indexOf(digits)];
      return template ? by(template) : token;
    });
  }

  /** What a parser read, apart: texts, and the templates between them. */
  split(masked: string): (string | WrittenTemplate)[] {
    const parts: (string | WrittenTemplate)[] = [];
    let end = 0;
    for (const token of masked.includes(START) ? masked.matchAll(TOKEN) : []) {
      const template = this.templates[indexOf(token[1]!)];
      if (!template) continue;
      parts.push(masked.slice(end, token.index), template);
      end = token.index + token[0].length;
    }
    parts.push(masked.slice(end));
    return parts.filter((part) => part !== '');
  }

  /** A parser's words with the templates back in place; what a shortened message has of one that was cut goes. */
  unmask(text: string): string {
    return this.replaceTemplates(text, (template) => template.raw)?.replace(/[\uFDD0-\uFDEF]+/g, '') ?? text;
  }
}

/** Where the first character stands that no document may hold; undefined when there is none. */
export function forbiddenCharacter(text: string): { at: number; name: string } | undefined {
  const at = text.search(FORBIDDEN);
  if (at < 0) return undefined;
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  return { at, name: `U+${code}` };
}

function tokenOf(index: number, length: number): string {
  const digit = (n: number) => String.fromCharCode(FIRST + (n % BASE));
  return (
    START +
    digit(Math.floor(index / BASE / BASE)) +
    digit(Math.floor(index / BASE)) +
    digit(index) +
    FILL.repeat(length - 5) +
    END
  );
}

function indexOf(digits: string): number {
  return [...digits].reduce((sum, digit) => sum * BASE + (digit.charCodeAt(0) - FIRST), 0);
}
