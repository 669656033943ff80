import { Button, Menu } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { t } from '@texts/logs';
import { stringifySearch } from '@/address';

/** The list of the API that is exported, and the filters that are set. */
export interface Exported {
  path: string;
  query?: object;
}

/** An export is whole and in an order of its own, and the API refuses others of it. */
const OF_PAGES = { page: undefined, pageSize: undefined, order: undefined, sort_by: undefined };

/** What a list shows, all pages of it, as a file: the browser asks for it, so that it is written to the disk as it comes. */
export function ExportMenu({ path, query }: Exported) {
  const link = (format: 'csv' | 'jsonl') => `/api/v1${path}${stringifySearch({ ...query, ...OF_PAGES, format })}`;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" size="xs" h={28} leftSection={<IconDownload size={14} />}>
          {t.export.label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {(['csv', 'jsonl'] as const).map((format) => (
          <Menu.Item key={format} component="a" href={link(format)} download>
            {t.export[format]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
