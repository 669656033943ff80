import { Center, Group, Paper, Stack, Text } from '@mantine/core';
import { t } from '@texts/common';
import { type ReactNode, useEffect } from 'react';
import icon from '@/favicon.svg';
import { setPageTitle } from '@/kit/page-title';
import { ConnectionLine } from './connection-line';

/** A page without the frame: to sign in, to accept an invitation, to set up. */
export function Alone({ title, children, width = 400 }: { title?: string; children: ReactNode; width?: number }) {
  useEffect(() => setPageTitle(title ?? ''), [title]);
  return (
    <Center mih="100vh" p="md" bg="var(--gate-ground)" component="main">
      <Stack w="100%" maw={width}>
        <Group justify="center" gap="sm">
          <img src={icon} width={32} height={32} alt="" />
          <Text fw={650} fz="xl">
            {t.product}
          </Text>
        </Group>
        <ConnectionLine />
        <Paper withBorder p="xl" shadow="sm">
          {children}
        </Paper>
      </Stack>
    </Center>
  );
}
