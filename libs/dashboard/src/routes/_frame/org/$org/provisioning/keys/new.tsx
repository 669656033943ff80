import {
  Anchor,
  Button,
  Checkbox,
  Collapse,
  NumberInput,
  Paper,
  Select,
  Stack,
  Switch,
  Text,
  TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { useState } from 'react';
import { api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { ApiForm } from '@/kit/form';
import { formatAbsolute, formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { IssuedKey } from '@/provisioning/issued-key';
import { type CreatedKey, keysChanged, useTemplates } from '@/provisioning/queries';
import { inDays, instantOf, UntilField } from '@/provisioning/until-field';
import { useMay } from '@/session/session';

/** Four questions, and a sentence that says what will happen. The secret is shown once, on the same page. */
export const Route = createFileRoute('/_frame/org/$org/provisioning/keys/new')({
  component: NewKey,
  staticData: { action: 'createSiteProvisioningKey' },
});

function NewKey() {
  const { org } = Route.useParams();
  const [issued, setIssued] = useState<CreatedKey>();
  return (
    <>
      <PageHeader
        above={
          <Anchor
            size="sm"
            c="dimmed"
            renderRoot={(props) => <Link to="/org/$org/provisioning/keys" params={{ org }} {...props} />}
          >
            {t.key.back}
          </Anchor>
        }
        title={issued ? t.issued.title(issued.name) : t.newKey.title}
      />
      {issued ? <IssuedKey org={org} issued={issued} /> : <KeyForm org={org} onIssued={setIssued} />}
    </>
  );
}

interface Values {
  name: string;
  maxBatchSize: number | '';
  validUntil: string | null;
  approveByHand: boolean;
  templateId: string | null;
  oneTime: boolean;
  disabled: boolean;
}

function bodyOf(
  { name, maxBatchSize, validUntil, approveByHand, templateId, oneTime, disabled }: Values,
  mayApprove: boolean,
) {
  return {
    name,
    maxBatchSize: oneTime ? 1 : maxBatchSize === '' ? null : maxBatchSize,
    validUntil: instantOf(validUntil),
    ...(mayApprove ? { approveNewSites: !approveByHand } : {}),
    ...(templateId === null ? {} : { templateId: Number(templateId) }),
    ...(oneTime ? { oneTime } : {}),
    status: disabled ? ('disabled' as const) : ('active' as const),
  };
}

function KeyForm({ org, onIssued }: { org: string; onIssued: (issued: CreatedKey) => void }) {
  const mayApprove = useMay(org)('updateSite');
  const templates = useTemplates(org);
  const [idempotencyKey] = useState(newIdempotencyKey);
  const [isOpen, { toggle, open }] = useDisclosure(false);
  const form = useForm<Values>({
    mode: 'controlled',
    initialValues: {
      name: '',
      maxBatchSize: 25,
      validUntil: inDays(30),
      approveByHand: true,
      templateId: null,
      oneTime: false,
      disabled: false,
    },
  });
  const { values } = form;
  const count = values.oneTime ? 1 : values.maxBatchSize === '' ? null : values.maxBatchSize;
  const until = instantOf(values.validUntil);
  return (
    <Paper withBorder p="lg" maw={640}>
      <ApiForm
        form={form}
        submitLabel={t.newKey.submit}
        onProblem={(problem) => {
          // What was folded away is shown, so that what is wrong there is seen.
          if (problem.fields.some(({ path }) => ['templateId', 'oneTime', 'status'].includes(path))) open();
          return false;
        }}
        onSubmit={async (given) => {
          const { data } = await api.PUT('/org/{orgId}/site-provisioning-key', {
            params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
            body: bodyOf(given, mayApprove),
          });
          onIssued(data!);
          await keysChanged();
        }}
      >
        <TextInput
          label={t.newKey.name}
          description={t.newKey.nameHint}
          required
          withAsterisk={false}
          autoFocus
          autoComplete="off"
          {...form.getInputProps('name')}
        />
        <NumberInput
          label={t.newKey.count}
          description={t.newKey.countHint}
          allowDecimal={false}
          allowNegative={false}
          thousandSeparator=","
          disabled={values.oneTime}
          {...form.getInputProps('maxBatchSize')}
        />
        <UntilField {...form.getInputProps('validUntil')} />
        {mayApprove ? (
          <Switch
            label={t.newKey.byHand}
            description={t.newKey.byHandHint}
            {...form.getInputProps('approveByHand', { type: 'checkbox' })}
          />
        ) : (
          <Text size="sm">{t.newKey.byHandOnly}</Text>
        )}
        <div>
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={isOpen ? <IconChevronDown size={16} /> : <IconChevronRight size={16} />}
            aria-expanded={isOpen}
            onClick={toggle}
          >
            {t.newKey.more}
          </Button>
          <Collapse expanded={isOpen}>
            <Stack gap="sm" pt="sm">
              {templates && (
                <Select
                  label={t.newKey.template}
                  description={t.newKey.templateHint}
                  searchable={templates.length > 8}
                  placeholder="default"
                  clearable
                  data={templates.map(({ templateId, name }) => ({ value: String(templateId), label: name }))}
                  {...form.getInputProps('templateId')}
                />
              )}
              <Checkbox label={t.newKey.oneTime} {...form.getInputProps('oneTime', { type: 'checkbox' })} />
              <Checkbox label={t.newKey.disabled} {...form.getInputProps('disabled', { type: 'checkbox' })} />
            </Stack>
          </Collapse>
        </div>
        <Text size="sm" c="dimmed" aria-live="polite">
          {t.newKey.sentence({
            count,
            countText: formatNumber(count ?? 0),
            template: templates?.find(({ templateId }) => String(templateId) === values.templateId)?.name,
            until: until === null ? undefined : formatAbsolute(new Date(until), 'local').slice(0, 16),
            byHand: values.approveByHand || !mayApprove,
            disabled: values.disabled,
          })}
        </Text>
      </ApiForm>
    </Paper>
  );
}
