import { Skeleton } from '@mantine/core';
import { type ComponentType, lazy, Suspense } from 'react';
import type * as Charts from './lazy';

type Name = keyof typeof Charts;

/** A chart of Mantine's whose code is loaded when the first one is shown; its place is kept meanwhile. */
function chart<N extends Name>(name: N): (props: React.ComponentProps<(typeof Charts)[N]>) => React.ReactNode {
  const Lazy = lazy(async () => ({ default: (await import('./lazy'))[name] as ComponentType<object> }));
  return (props) => (
    <Suspense fallback={<Skeleton h={(props as { h?: number }).h ?? 200} />}>
      <Lazy {...props} />
    </Suspense>
  );
}

export const AreaChart = chart('AreaChart');
export const BarChart = chart('BarChart');
export const LineChart = chart('LineChart');
export const DonutChart = chart('DonutChart');
export const Sparkline = chart('Sparkline');
