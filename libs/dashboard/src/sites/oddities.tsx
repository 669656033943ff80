import { Badge, Group, Tooltip } from '@mantine/core';
import { t } from '@texts/oddities';
import type { components } from '@/api/types';

export type Oddity = components['schemas']['SiteItem']['oddities'][number];

/** What is odd about a site; nothing where nothing is. */
export function Oddities({ oddities }: { oddities: readonly Oddity[] }) {
  if (oddities.length === 0) return null;
  return (
    <Group gap={4}>
      {oddities.map((oddity) => (
        <Tooltip key={oddity} label={t[oddity].meaning}>
          <Badge variant="dot" color="orange.6" tt="none" fw={500} maw="100%">
            {t[oddity].label}
          </Badge>
        </Tooltip>
      ))}
    </Group>
  );
}
