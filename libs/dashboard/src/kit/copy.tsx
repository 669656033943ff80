import { ActionIcon, Button, Group, Text, Tooltip, UnstyledButton } from '@mantine/core';
import { IconCheck, IconCopy, IconTerminal2 } from '@tabler/icons-react';
import { t } from '@texts/common';
import { useEffect, useState } from 'react';
import { curlOf } from '@/api/curl';

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

function useCopy(text: string): [copied: boolean, copy: () => void] {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return [copied, () => void copyText(text).then(() => setCopied(true))];
}

/** An id that copies itself on a click. @param what names it for screen readers: `site id` */
export function CopyId({ id, what }: { id: string | number; what: string }) {
  const [copied, copy] = useCopy(String(id));
  return (
    <Tooltip label={copied ? t.copied : t.copyId(what)}>
      <UnstyledButton onClick={copy} aria-label={`${t.copyId(what)} ${id}`}>
        <Group gap={4} wrap="nowrap">
          <Text span ff="monospace" size="sm" truncate maw={260}>
            {id}
          </Text>
          {copied ? <IconCheck size={14} /> : <IconCopy size={14} opacity={0.5} />}
        </Group>
      </UnstyledButton>
    </Tooltip>
  );
}

/** A button that copies a text; with no `label`, an icon. */
export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [copied, copy] = useCopy(text);
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

/** What a form or a button does, as a line for a shell. `path` below `/api/v1`, with its values filled in. */
export function CopyAsCurl(call: {
  method: 'put' | 'post' | 'patch' | 'delete' | 'get';
  path: string;
  body?: unknown;
}) {
  const [copied, copy] = useCopy(curlOf(call));
  return (
    <Tooltip label={copied ? t.copied : t.curlHint}>
      <Button
        variant="subtle"
        color="gray"
        size="compact-sm"
        leftSection={copied ? <IconCheck size={16} /> : <IconTerminal2 size={16} />}
        onClick={copy}
      >
        {t.copyAsCurl}
      </Button>
    </Tooltip>
  );
}
