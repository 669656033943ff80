import { Skeleton } from '@mantine/core';
import { type ComponentProps, lazy, Suspense } from 'react';
import type { EditorProps } from './editor';

const Editor = lazy(() => import('./editor'));
const Difference = lazy(() => import('./editor').then((module) => ({ default: module.Difference })));

/** An editor of YAML that says what is wrong as one types; its code is loaded with the first one. */
export function CodeEditor(props: EditorProps) {
  return (
    <Suspense fallback={<Skeleton h={props.height ?? 420} />}>
      <Editor {...props} />
    </Suspense>
  );
}

/** What a document becomes, beside what it was. */
export function DocumentDiff(props: ComponentProps<typeof Difference>) {
  return (
    <Suspense fallback={<Skeleton h={200} />}>
      <Difference {...props} />
    </Suspense>
  );
}
