import '@/styles';
import '@mantine/dates/styles.layer.css';
import { Button, Drawer, MantineProvider, Modal, Select, Tooltip } from '@mantine/core';
import { DateTimePicker } from '@mantine/dates';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { LineChart } from '@/charts/charts';
import { CodeEditor, DocumentDiff } from '@/documents/code-editor';
import { NONCE } from '@/nonce';
import { theme, variables } from '@/theme';

/** Every part of a page that adds styles or scripts while it runs. */
function Parts() {
  const [open, setOpen] = useState<'modal' | 'drawer'>();
  return (
    <main>
      <h1>Parts</h1>
      <Button onClick={() => setOpen('modal')}>Open the modal</Button>
      <Button onClick={() => setOpen('drawer')}>Open the drawer</Button>
      <Modal opened={open === 'modal'} onClose={() => setOpen(undefined)} title="Modal">
        <Select label="Fruit" data={['Apple', 'Pear']} />
        <DateTimePicker label="When" />
      </Modal>
      <Drawer opened={open === 'drawer'} onClose={() => setOpen(undefined)} title="Drawer" />
      <Tooltip label="What a tooltip says">
        <Button>Hover</Button>
      </Tooltip>
      <CodeEditor label="Blueprint" kind="blueprint" value={'public-resources:\n  web:\n    nmae: x\n'} />
      <CodeEditor label="Start-up document" kind="bootstrap" value={'envi: {}\n'} />
      <DocumentDiff label="Difference" before={'a: 1\n'} after={'a: 2\n'} />
      <LineChart
        h={200}
        dataKey="at"
        data={[
          { at: 'a', n: 1 },
          { at: 'b', n: 2 },
        ]}
        series={[{ name: 'n' }]}
      />
    </main>
  );
}

createRoot(document.getElementById('root')!).render(
  <MantineProvider theme={theme} cssVariablesResolver={variables} getStyleNonce={() => NONCE}>
    <Parts />
  </MantineProvider>,
);
