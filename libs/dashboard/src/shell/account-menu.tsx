import { Avatar, Menu, Text, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { IconDeviceLaptop, IconLogout, IconMoon, IconShield, IconSun, IconUser } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/shell';
import { ZONE_NAME } from '@/kit/formats';
import { useZone } from '@/kit/time';
import { logOut, useUser } from '@/session/session';

const SCHEMES = [
  { value: 'auto', icon: IconDeviceLaptop },
  { value: 'light', icon: IconSun },
  { value: 'dark', icon: IconMoon },
] as const;

/** Who is signed in, how everything looks, and the way out. */
export function AccountMenu() {
  const user = useUser();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [zone, setZone] = useZone();
  const radio = (checked: boolean) => ({
    role: 'menuitemradio',
    'aria-checked': checked,
    fw: checked ? 600 : undefined,
  });
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <UnstyledButton aria-label={`${t.account}: ${user.email}`}>
          <Avatar size={32} color="gate" variant="filled">
            <IconUser size={18} />
          </Avatar>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Text size="sm" px="sm" py={6} style={{ overflowWrap: 'anywhere' }}>
          {user.email}
        </Text>
        <Menu.Item leftSection={<IconUser size={16} />} renderRoot={(props) => <Link to="/account" {...props} />}>
          {t.account}
        </Menu.Item>
        {user.serverAdmin && (
          <Menu.Item leftSection={<IconShield size={16} />} renderRoot={(props) => <Link to="/server" {...props} />}>
            {t.places.server}
          </Menu.Item>
        )}
        <Menu.Divider />
        {SCHEMES.map(({ value, icon: Icon }) => (
          <Menu.Item
            key={value}
            {...radio(colorScheme === value)}
            leftSection={<Icon size={16} />}
            closeMenuOnClick={false}
            onClick={() => setColorScheme(value)}
          >
            {`${t.colorScheme.label}: ${t.colorScheme[value]}`}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item {...radio(zone === 'local')} closeMenuOnClick={false} onClick={() => setZone('local')}>
          {`${common.local} (${ZONE_NAME})`}
        </Menu.Item>
        <Menu.Item {...radio(zone === 'utc')} closeMenuOnClick={false} onClick={() => setZone('utc')}>
          {common.utc}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void logOut()}>
          {t.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
