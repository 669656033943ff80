import { Alert, Button, Group } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import { t } from '@texts/common';
import { isProblem } from '@/api/problem';
import { Lacking, NotFound } from '@/shell/refusals';

/** What a page shows in place of what it could not read. A query that failed for a passing reason is asked again by itself. */
export function Failure({ error, retry }: { error: unknown; retry?: () => unknown }) {
  if (isProblem(error, 'not_found')) return <NotFound />;
  if (isProblem(error, 'permission_denied')) return <Lacking message={error.message} />;
  const message =
    isProblem(error) && error.isPassing ? t.failed.passing : error instanceof Error ? error.message : String(error);
  return (
    <Alert color="red" variant="outline" icon={<IconAlertCircle />} title={t.failed.title}>
      <Group justify="space-between">
        {message}
        {retry && (
          <Button variant="default" size="compact-sm" onClick={() => void retry()}>
            {t.retry}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
