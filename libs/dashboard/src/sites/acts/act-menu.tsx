import { Button, Menu, Skeleton } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconChevronDown } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { t } from '@texts/site-acts';
import { Fragment, lazy, Suspense } from 'react';
import { formatNumber } from '@/kit/formats';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { ACTS, type Act, type Chosen } from './acts';

/** Its fields are loaded with the first act. */
const ActDialog = lazy(async () => ({ default: (await import('./act-dialog')).ActDialog }));

type Kind = keyof typeof ACTS;

/** What one may do with sites. */
export function useActs(org: string): [kind: Kind, acts: Act[]][] {
  const may = useMay(org);
  return (Object.keys(ACTS) as Kind[])
    .map((kind): [Kind, Act[]] => [kind, ACTS[kind].filter(({ needs }) => may(needs))])
    .filter(([, acts]) => acts.length > 0);
}

/** Begins an act on the sites that were chosen, or on all that match; it becomes a job, whose page is shown. */
export function ActMenu({
  org,
  acts,
  chosen,
  count,
  onStarted,
}: {
  org: string;
  acts: ReturnType<typeof useActs>;
  chosen: Chosen;
  count: number;
  onStarted?: () => void;
}) {
  const navigate = useNavigate();
  const may = useMay(org);
  const titleOf = ({ name }: Act) => t.title(t.actions[name], formatNumber(count), count);
  const begin = (act: Act) => {
    const id = modals.open({
      title: titleOf(act),
      size: 'lg',
      children: (
        <Suspense fallback={<Skeleton h={200} />}>
          <ActDialog
            org={org}
            act={act}
            chosen={chosen}
            gentler={acts.flatMap(([, some]) => some).find(({ name }) => name === 'suspend')}
            onClose={() => modals.close(id)}
            onGentler={(gentler) => modals.updateModal({ modalId: id, title: titleOf(gentler) })}
            onStarted={(jobId) => {
              modals.close(id);
              onStarted?.();
              toastDone(t.started);
              if (may('getJob')) void navigate({ to: '/org/$org/jobs/$job', params: { org, job: String(jobId) } });
            }}
          />
        </Suspense>
      ),
    });
  };
  return (
    <Menu position="bottom-end" shadow="md">
      <Menu.Target>
        <Button
          variant={chosen.siteIds ? 'filled' : 'default'}
          size="xs"
          h={28}
          rightSection={<IconChevronDown size={14} />}
        >
          {chosen.siteIds ? t.menu : t.allMatching(formatNumber(count), count)}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {acts.map(([kind, some]) => (
          <Fragment key={kind}>
            <Menu.Label>{t.groups[kind]}</Menu.Label>
            {some.map((act) => (
              <Menu.Item
                key={act.name}
                {...(act.isFinal ? { c: 'var(--mantine-color-error)' } : {})}
                onClick={() => begin(act)}
              >
                {t.actions[act.name]}
              </Menu.Item>
            ))}
          </Fragment>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
