import { t } from '@texts/configuration';
import type { ReactNode } from 'react';
import { type Job, JobStatus } from '@/jobs/job-parts';
import { formatNumber } from '@/kit/formats';
import { Time } from '@/kit/time';
import type { Column } from '@/list/list-table';

interface Change extends Pick<Job, 'status' | 'createdAt' | 'createdBy'> {
  failed: number;
  waiting: number;
}

const { columns: titles } = t.rotations;

/** Columns of a list of changes that a fleet follows: of start-up bundles, or of credentials. */
export const rotationColumns = <Row extends Change>(
  what: (row: Row) => ReactNode,
  progress: (row: Row) => ReactNode,
): Column<Row>[] => [
  { key: 'change', title: titles.change, render: what },
  { key: 'status', title: titles.status, render: ({ status }) => <JobStatus status={status} />, width: 110 },
  { key: 'progress', title: titles.progress, render: progress, width: 130 },
  {
    key: 'failed',
    title: titles.failed,
    render: ({ failed }) => formatNumber(failed),
    textAlign: 'right',
    width: 80,
  },
  {
    key: 'waiting',
    title: titles.waiting,
    render: ({ waiting }) => formatNumber(waiting),
    textAlign: 'right',
    width: 90,
  },
  { key: 'by', title: titles.by, render: ({ createdBy }) => createdBy.name, ellipsis: true },
  { key: 'createdAt', title: titles.createdAt, render: ({ createdAt }) => <Time at={createdAt} />, width: 130 },
];
