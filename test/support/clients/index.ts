import type { ForeignClient } from './client.js';
import { GENERATED } from './generated.js';
import { OPERATOR } from './operators.js';
import { COMMAND_LINE, DASHBOARD_WIDGET, HOME_AUTOMATION, RULE_UPDATER } from './readers.js';
import { TERRAFORM_A } from './terraform-a.js';
import { TERRAFORM_B } from './terraform-b.js';
import { TERRAFORM_C } from './terraform-c.js';

/** Every client that is replayed, and of which nothing may break. */
export const FOREIGN_CLIENTS: ForeignClient[] = [
  TERRAFORM_A,
  TERRAFORM_B,
  TERRAFORM_C,
  ...GENERATED,
  OPERATOR,
  HOME_AUTOMATION,
  DASHBOARD_WIDGET,
  RULE_UPDATER,
  COMMAND_LINE,
];
