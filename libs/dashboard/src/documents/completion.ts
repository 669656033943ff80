import { EditorState, type Extension } from '@uiw/react-codemirror';
import { keysAt, type SuggestingKind } from './keys';

interface Context {
  state: EditorState;
  pos: number;
  /** Asked for by a key, not by typing. */
  explicit: boolean;
}

/** Suggests the keys that a document knows at the place of the cursor. */
export function completionOf(kind: SuggestingKind): Extension {
  const suggest = ({ state, pos, explicit }: Context) => {
    const line = state.doc.lineAt(pos);
    const before = line.text.slice(0, pos - line.from);
    const [, lead = '', word = ''] = /^(\s*(?:- )?)([a-zA-Z0-9-]*)$/.exec(before) ?? [];
    if (before !== lead + word || (word === '' && !explicit)) return null;
    const above: string[] = [];
    for (let number = 1; number < line.number; number++) above.push(state.doc.line(number).text);
    const options = keysAt(kind, above, lead).map((label) => ({ label, apply: `${label}: `, type: 'property' }));
    return options.length > 0 ? { from: pos - word.length, options, validFor: /^[a-zA-Z0-9-]*$/ } : null;
  };
  const data = [{ autocomplete: suggest }];
  return EditorState.languageData.of(() => data);
}
