import { Card, DataList, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

const LABEL_WIDTH = { base: 112, sm: 136 };

/** Names and values, without those that are not set. */
export function Facts({ title, facts }: { title: string; facts: [name: string, value: ReactNode][] }) {
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {title}
      </Title>
      <DataList>
        {facts
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([name, value]) => (
            <DataList.Item key={name}>
              <DataList.ItemLabel w={LABEL_WIDTH} style={{ flex: 'none' }}>
                {name}
              </DataList.ItemLabel>
              <DataList.ItemValue style={{ minWidth: 0 }}>
                <Text size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
                  {value}
                </Text>
              </DataList.ItemValue>
            </DataList.Item>
          ))}
      </DataList>
    </Card>
  );
}
