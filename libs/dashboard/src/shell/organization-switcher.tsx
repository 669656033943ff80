import { Button, Menu, ScrollArea, Text, TextInput } from '@mantine/core';
import { IconChevronDown } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/shell';
import { useState } from 'react';
import { useOrganizations } from '@/orgs/queries';

const SEARCHABLE = 8;

/** The organization that is shown, and the way to another one. */
export function OrganizationSwitcher({ orgId }: { orgId: string | undefined }) {
  const organizations = useOrganizations();
  const [wanted, setWanted] = useState('');
  if (!organizations || (orgId === undefined && organizations.length < 2)) return null;
  const current = organizations.find((one) => one.orgId === orgId);
  const shown = organizations.filter((one) => `${one.name} ${one.orgId}`.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Menu position="bottom-start" width={280} onClose={() => setWanted('')}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="inherit"
          size="compact-md"
          rightSection={<IconChevronDown size={14} />}
          aria-label={`${t.switchOrganization}: ${current?.name ?? t.allOrganizations}`}
          maw={{ base: 190, sm: 480 }}
        >
          <Text span inherit truncate>
            {current?.name ?? orgId ?? t.allOrganizations}
          </Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {organizations.length > SEARCHABLE && (
          <TextInput
            size="xs"
            mb={4}
            placeholder={t.search}
            aria-label={t.search}
            value={wanted}
            onChange={(event) => setWanted(event.currentTarget.value)}
            data-autofocus
          />
        )}
        <ScrollArea.Autosize mah={320}>
          {shown.map((one) => (
            <Menu.Item
              key={one.orgId}
              renderRoot={(props) => <Link to="/org/$org" params={{ org: one.orgId }} {...props} />}
              fw={one.orgId === orgId ? 600 : undefined}
            >
              {one.name}
            </Menu.Item>
          ))}
        </ScrollArea.Autosize>
        <Menu.Divider />
        <Menu.Item renderRoot={(props) => <Link to="/orgs" {...props} />}>{t.allOrganizations}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
