import {
  Badge,
  Card,
  DataList,
  Group,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  Title,
  useMantineColorScheme,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/account';
import { t as common } from '@texts/common';
import { t as shell } from '@texts/shell';
import { api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { ApiForm } from '@/kit/form';
import { ZONE_NAME } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PasswordField } from '@/kit/password-field';
import { useZone, type Zone } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { listSearch } from '@/list/search';
import { OwnSessions } from '@/session/own-sessions';
import { useUser } from '@/session/session';

export const Route = createFileRoute('/_frame/account')({ validateSearch: listSearch, component: Account });

function Account() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <>
      <PageHeader title={t.title} />
      <Stack>
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          <Stack>
            <Profile />
            <Appearance />
          </Stack>
          <Password />
        </SimpleGrid>
        <OwnSessions search={search} onSearch={(next) => void navigate({ search: next })} />
      </Stack>
    </>
  );
}

function Profile() {
  const user = useUser();
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.profile}
      </Title>
      <DataList>
        <DataList.Item>
          <DataList.ItemLabel>{t.email}</DataList.ItemLabel>
          <DataList.ItemValue>{user.email}</DataList.ItemValue>
        </DataList.Item>
        {user.name && (
          <DataList.Item>
            <DataList.ItemLabel>{t.name}</DataList.ItemLabel>
            <DataList.ItemValue>{user.name}</DataList.ItemValue>
          </DataList.Item>
        )}
        <DataList.Item>
          <DataList.ItemLabel>{t.userId}</DataList.ItemLabel>
          <DataList.ItemValue>
            <CopyId id={user.userId} what={t.userId} />
          </DataList.ItemValue>
        </DataList.Item>
        <DataList.Item>
          <DataList.ItemLabel>{t.memberships}</DataList.ItemLabel>
          <DataList.ItemValue>
            <Stack gap={4}>
              {user.serverAdmin && <Badge variant="outline">{t.serverAdmin}</Badge>}
              {user.memberships.map(({ orgId, orgName, roles, isOwner }) => (
                <Text key={orgId} size="sm">
                  {orgName}: {[...(isOwner ? [t.owner] : []), ...roles.map(({ name }) => name)].join(', ')}
                </Text>
              ))}
            </Stack>
          </DataList.ItemValue>
        </DataList.Item>
      </DataList>
    </Card>
  );
}

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [zone, setZone] = useZone();
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.appearance.title}
      </Title>
      <Group gap="xl">
        <Stack gap={4}>
          <Text size="sm" id="scheme">
            {t.appearance.scheme}
          </Text>
          <SegmentedControl
            aria-labelledby="scheme"
            value={colorScheme}
            onChange={setColorScheme}
            data={(['auto', 'light', 'dark'] as const).map((value) => ({ value, label: shell.colorScheme[value] }))}
          />
        </Stack>
        <Stack gap={4}>
          <Text size="sm" id="zone">
            {t.appearance.zone}
          </Text>
          <SegmentedControl
            aria-labelledby="zone"
            value={zone}
            onChange={(value) => setZone(value as Zone)}
            data={[
              { value: 'local', label: `${common.local} (${ZONE_NAME})` },
              { value: 'utc', label: common.utc },
            ]}
          />
        </Stack>
      </Group>
    </Card>
  );
}

function Password() {
  const form = useForm({ mode: 'uncontrolled', initialValues: { currentPassword: '', newPassword: '' } });
  return (
    <Card withBorder>
      <Title order={2}>{t.password.title}</Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t.password.hint}
      </Text>
      <ApiForm
        withoutCurl
        form={form}
        submitLabel={t.password.submit}
        onSubmit={async (body) => {
          await api.POST('/auth/change-password', { body });
          form.reset();
          toastDone(t.password.done);
        }}
      >
        <PasswordField
          label={t.password.current}
          autoComplete="current-password"
          key={form.key('currentPassword')}
          {...form.getInputProps('currentPassword')}
        />
        <PasswordField
          label={t.password.next}
          autoComplete="new-password"
          key={form.key('newPassword')}
          {...form.getInputProps('newPassword')}
        />
      </ApiForm>
    </Card>
  );
}
