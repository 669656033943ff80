import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy, IconTerminal2 } from '@tabler/icons-react';
import { t } from '@texts/common';
import { useEffect, useState } from 'react';
import { curlOf } from '@/api/curl';
import type { Call } from '@/api/written';
import styles from './cells.module.css';

const SHOWN_MS = 1500;

/** Also over plain HTTP, where browsers keep `navigator.clipboard` to themselves. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  // Beside what has the focus: a modal takes it back from anything outside.
  (document.activeElement?.parentElement ?? document.body).append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** @param textOf undefined: there is nothing to copy */
function useCopy(textOf: () => Promise<string | undefined>): [copied: boolean, copy: () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    const text = await textOf();
    if (text === undefined) return;
    await copyText(text);
    setCopied(true);
  };
  return [copied, () => void copy()];
}

/** An id that copies itself on a click. @param what names it for screen readers: `site id` */
export function CopyId({ id, what }: { id: string | number; what: string }) {
  const [copied, copy] = useCopy(async () => String(id));
  return (
    <button
      type="button"
      className={`${styles.plain} ${styles.copyId}`}
      onClick={copy}
      title={copied ? t.copied : t.copyId(what)}
      aria-label={`${t.copyId(what)} ${id}`}
    >
      <span>{id}</span>
      {copied ? <IconCheck size={14} /> : <IconCopy size={14} opacity={0.5} />}
    </button>
  );
}

/** A button that copies a text; with no `label`, an icon. */
export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [copied, copy] = useCopy(async () => text);
  const icon = copied ? <IconCheck size={16} /> : <IconCopy size={16} />;
  if (label === undefined)
    return (
      <Tooltip label={copied ? t.copied : t.copyId(what)}>
        <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={t.copyId(what)}>
          {icon}
        </ActionIcon>
      </Tooltip>
    );
  return (
    <Button variant="default" size="compact-sm" leftSection={icon} onClick={copy}>
      {copied ? t.copied : label}
    </Button>
  );
}

/**
 * What a form or a button does, as a line for a shell. @param call says what it would send (`callOf`), or what was sent (`lastCall`)
 * @param isIcon where there is no room for words
 */
export function CopyAsCurl({ call, isIcon }: { call: () => Promise<Call | undefined>; isIcon?: boolean }) {
  const [copied, copy] = useCopy(async () => {
    const found = await call();
    return found && curlOf(found);
  });
  const props = { variant: 'subtle', color: 'gray', onClick: copy };
  const icon = copied ? <IconCheck size={16} /> : <IconTerminal2 size={16} />;
  return (
    <Tooltip label={copied ? t.copied : isIcon ? t.copyAsCurl : t.curlHint}>
      {isIcon ? (
        <ActionIcon {...props} aria-label={t.copyAsCurl}>
          {icon}
        </ActionIcon>
      ) : (
        <Button {...props} size="compact-sm" leftSection={icon}>
          {t.copyAsCurl}
        </Button>
      )}
    </Tooltip>
  );
}
