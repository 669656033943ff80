import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, linter, lintGutter } from '@codemirror/lint';
import { unifiedMergeView } from '@codemirror/merge';
import { tags } from '@lezer/highlight';
import { useComputedColorScheme } from '@mantine/core';
import CodeMirror, { EditorState, EditorView, type Extension } from '@uiw/react-codemirror';
import { useMemo } from 'react';
import { NONCE } from '@/nonce';
import { completionOf } from './completion';
import { problemsOf } from './problems';
import type { DocumentKind } from './problems.worker';

const nonce = EditorView.cspNonce.of(NONCE);
/** In the colours of the page, which are legible in both schemes (WCAG AA). */
const looks = Object.fromEntries(
  [true, false].map((dark) => [
    dark ? 'dark' : 'light',
    EditorView.theme(
      {
        '&': { border: '1px solid var(--mantine-color-default-border)', borderRadius: 'var(--mantine-radius-md)' },
        '& .cm-scroller': { borderRadius: 'inherit' },
        '&, & .cm-gutters': { backgroundColor: 'var(--mantine-color-body)', color: 'var(--mantine-color-text)' },
        '& .cm-gutters': { color: 'var(--mantine-color-dimmed)', borderColor: 'var(--mantine-color-default-border)' },
        '& .cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--mantine-color-text)' },
        '& .cm-content': { caretColor: 'var(--mantine-color-text)' },
        '& .cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
      },
      { dark },
    ),
  ]),
);
const highlight = syntaxHighlighting(
  HighlightStyle.define([
    { tag: tags.definition(tags.propertyName), color: 'var(--mantine-color-anchor)' },
    { tag: tags.string, color: 'var(--mantine-color-teal-text)' },
    { tag: [tags.labelName, tags.typeName], color: 'var(--mantine-color-orange-text)' },
    { tag: tags.comment, color: 'var(--mantine-color-dimmed)', fontStyle: 'italic' },
  ]),
);
const SETUP = { foldGutter: true, highlightActiveLine: false };

export interface EditorProps {
  value: string;
  onChange?: (text: string) => void;
  /** Whose rules hold: they are said as one types. */
  kind?: DocumentKind;
  /** What a screen reader calls it. */
  label: string;
  readOnly?: boolean;
  height?: string;
  extensions?: Extension[];
}

/** A document, with what is wrong with it where it stands. Loaded when it is shown: `CodeEditor` of ./code-editor. */
export default function Editor({ value, onChange, kind, label, readOnly, height = '420px', extensions }: EditorProps) {
  const scheme = useComputedColorScheme();
  const all = useMemo(
    () => [
      nonce,
      highlight,
      yaml(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': label }),
      ...(kind
        ? [completionOf(kind), lintGutter(), linter((view) => diagnosticsOf(kind, view.state), { delay: 400 })]
        : []),
      ...(extensions ?? []),
    ],
    [kind, label, extensions],
  );
  return (
    <CodeMirror
      value={value}
      onChange={onChange}
      extensions={all}
      basicSetup={SETUP}
      theme={looks[scheme]}
      readOnly={readOnly}
      height={readOnly ? 'auto' : height}
    />
  );
}

async function diagnosticsOf(kind: DocumentKind, state: EditorState): Promise<Diagnostic[]> {
  const problems = await problemsOf(kind, state.doc.toString());
  return problems.map(({ path, message, line, column }) => {
    const at = state.doc.line(Math.min(Math.max(line, 1), state.doc.lines));
    const from = Math.min(at.from + Math.max(column - 1, 0), at.to);
    return { from, to: at.to, severity: 'error', message: path ? `${path}: ${message}` : message };
  });
}

/** What a document becomes, beside what it was. */
export function Difference({ before, after, label }: { before: string; after: string; label: string }) {
  const extensions = useMemo(
    () => [unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: { margin: 3, minSize: 6 } })],
    [before],
  );
  return <Editor value={after} label={label} readOnly extensions={extensions} />;
}
