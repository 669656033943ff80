import { EmptyState as Mantine, Paper, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** What stands where nothing is: what it would be, and what to do next. */
export function EmptyState({
  icon,
  title,
  description,
  children,
}: {
  icon?: ReactNode;
  title: string;
  description?: ReactNode;
  /** Buttons. */
  children?: ReactNode;
}) {
  return (
    <Paper withBorder p="xl">
      <Mantine
        icon={icon}
        title={
          <Title order={2} fz="inherit">
            {title}
          </Title>
        }
        description={description}
        maw={520}
        mx="auto"
      >
        {children && <Mantine.Actions>{children}</Mantine.Actions>}
      </Mantine>
    </Paper>
  );
}
