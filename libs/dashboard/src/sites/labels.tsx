import { Badge, Group, Text } from '@mantine/core';
import { t } from '@texts/sites';

/** Labels as people write them; `shown` of them, the others in its tooltip. */
export function Labels({ labels, shown }: { labels: Record<string, string>; shown?: number }) {
  const all = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return (
    <Group gap={4} title={all.join('\n')}>
      {all.slice(0, shown).map((label) => (
        <Badge key={label} variant="default" tt="none" fw={400} maw={220}>
          {label}
        </Badge>
      ))}
      {shown !== undefined && all.length > shown && (
        <Text size="xs" c="dimmed">
          {t.more(String(all.length - shown))}
        </Text>
      )}
    </Group>
  );
}
